"""DeepCluster: the encoder's features are clustered, and it then learns to predict each image's cluster.

Source: Caron et al., *Deep Clustering for Unsupervised Learning of Visual Features* (arXiv 1807.05520), section 3.
Every epoch begins with a clustering. It takes a forward pass over all training and validation images in evaluation
mode, which costs about a third of an epoch of training, or more if a budget of steps makes epochs shorter than a pass.
PCA, whitening, unit length and at most 20 iterations of k-means follow, which take seconds on the CPU. Neither counts
as a step.
Scaled from 224 x 224: 100 clusters, ten per class as in the paper (10,000 for 1,000), and a quarter of the latent's
components (there 256 of 4,096); fewer of both if there are less than ten images for each. Images keep their colours, as
for all other objectives, while the paper applies Sobel filters; the optimizer is the study's.
Shapes: N images, D latent values, K clusters.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pse_repro.data.augment.steps import Flip, ResizedCrop, Steps
from pse_repro.data.batches import Images, batches
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.kmeans import cluster
from pse_repro.objectives.shared.labelled import classification

PASS_BATCH = 256  # batch size of the pass for the features
IMAGES_EACH = 10  # minimum per cluster and per component


@dataclass(frozen=True)
class EvenSampler:
    """Sampler of images evenly over the clusters: draws a non-empty cluster, then one of its images."""

    order: Tensor  # the images, cluster by cluster
    starts: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> "EvenSampler":
        sizes = labels.bincount()
        sizes = sizes[sizes > 0]
        return cls(labels.argsort(stable=True), sizes.cumsum(0) - sizes, sizes)

    def draw(self, count: int) -> Tensor:
        """Return the positions (count,) of drawn images, on the CPU, as all that is drawn."""
        clusters = torch.randint(len(self.sizes), (count,))
        within = (torch.rand(count, dtype=torch.float64) * self.sizes[clusters]).long()
        return self.order[self.starts[clusters] + within]


@dataclass(frozen=True)
class Clustering:
    """An epoch's clusters of the training images (N,) and of the validation images, on the device."""

    images: Images
    labels: Tensor
    validation_labels: Tensor
    sampler: EvenSampler

    @classmethod
    def of(cls, images: Images, labels: Tensor, validation_labels: Tensor) -> "Clustering":
        return cls(images, labels, validation_labels, EvenSampler.of(labels.cpu()))


class DeepCluster(Objective[EncoderWithHead]):
    """Cross-entropy of the image's cluster. The last epoch is kept, as losses of different clusterings do not compare.

    Validation images get the cluster of the nearest centroid.
    """

    keeps = "last"
    captures = False

    def __init__(self, setup: Setup, clusters: int = 100) -> None:
        super().__init__(setup)
        self.clusters = max(2, min(clusters, setup.train_images // IMAGES_EACH))
        self.chance = 100 / self.clusters
        self.components = max(1, min(ENCODERS[setup.encoder].latent_size // 4, setup.train_images // IMAGES_EACH))
        self.augment = Steps(ResizedCrop((0.08, 1.0), (3 / 4, 4 / 3)), Flip())
        self.clustering: Clustering | None = None

    def network(self) -> EncoderWithHead:
        head = nn.Sequential(nn.ReLU(), self._classifier())
        return EncoderWithHead(build_encoder(self.setup.encoder), head)

    def _classifier(self) -> nn.Linear:
        return nn.Linear(ENCODERS[self.setup.encoder].latent_size, self.clusters)

    @torch.no_grad()
    def begin_epoch(
        self, network: EncoderWithHead, optimizer: torch.optim.Optimizer, train: Images, validation: Images
    ) -> None:
        """Cluster again, and reset the classifier and its moments, because cluster numbers have changed."""
        network.eval()
        latents, validation_latents = (features(network, images) for images in (train, validation))
        network.train()
        seed = int(torch.randint(2**32, ()))
        labels, validation_labels = cluster(latents, validation_latents, self.components, self.clusters, seed)
        self.clustering = Clustering.of(train, labels, validation_labels)
        self._restart_classifier(network, optimizer)

    def epoch_tensors(self) -> dict[str, Tensor]:
        assert self.clustering is not None
        return {"labels": self.clustering.labels, "validation_labels": self.clustering.validation_labels}

    def resume_epoch(self, tensors: dict[str, Tensor], train: Images) -> None:
        labels, validation_labels = (tensors[name].to(self.setup.device) for name in ("labels", "validation_labels"))
        self.clustering = Clustering.of(train, labels, validation_labels)

    def _restart_classifier(self, network: EncoderWithHead, optimizer: torch.optim.Optimizer) -> None:
        network.head.load_state_dict(nn.Sequential(nn.ReLU(), self._classifier()).state_dict())
        for parameter in network.head.parameters():
            for state in optimizer.state.get(parameter, {}).values():
                if isinstance(state, Tensor):
                    state.zero_()  # as if it were new; without any, a fused SGD would find some states and miss others

    def loss(self, network: EncoderWithHead, batch: Batch) -> Tensor:
        """Return the loss; in training, of as many images as the batch has, drawn evenly over the clusters."""
        return cross_entropy(*self._predicted(network, batch))

    def measures(self, network: EncoderWithHead, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, and the accuracy of the predicted clusters in percent."""
        return classification(*self._predicted(network, batch))

    def _predicted(self, network: EncoderWithHead, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits (N, K) in float32, and the clusters (N,)."""
        assert self.clustering is not None, "begin_epoch makes the clusters"
        images, positions, all_labels = batch.images, batch.positions, self.clustering.validation_labels
        if batch.training:
            all_labels = self.clustering.labels
            positions = self.clustering.sampler.draw(len(images)).to(all_labels.device, non_blocking=True)
            images = self.augment(self.clustering.images[positions])
        return network(images).float(), all_labels[positions]


def features(network: EncoderWithHead, images: Images) -> Tensor:
    """Return the latents (N, D) of all images, in float32."""
    return torch.cat([network.encoder(images[positions]).float() for positions in batches(len(images), PASS_BATCH)])
