"""Pictures of a plan and of a profile, as .svg or .png files."""
