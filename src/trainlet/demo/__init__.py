"""The demo: a small pretrained keyword spotter that learns a new speaker."""
