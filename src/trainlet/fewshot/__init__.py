"""Learning new classes from a few examples: meta-training in PyTorch, and the head that learns.

Prototypical networks with a cosine head (Snell et al., 2017; Hu et al., 2022, "P>M>F"; TinyTrain,
Kwon et al., 2024).
"""

from trainlet.fewshot.episodes import Episode, Episodes
from trainlet.fewshot.head import CosineHead, prototypes
from trainlet.fewshot.meta_training import meta_train
from trainlet.fewshot.supervised import pretrain

__all__ = ["CosineHead", "Episode", "Episodes", "meta_train", "pretrain", "prototypes"]
