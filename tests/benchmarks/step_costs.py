"""What a training step has to compute and to move, counted from its shapes.

Bytes are those of a step whose passes over an array are fused as far as batch statistics allow:
each array that one pass makes is written once and read once by each pass that needs it. What stays
in the cache all the same makes a real step faster than this count.
"""

from fewshot_lib.learning.adversarial import PAIR
from fewshot_lib.learning.prototypical import PrototypicalLearner
from fewshot_lib.networks.encoder import HIDDEN, NOISE_SIZE, count_parameters, feature_size
from fewshot_lib.spec.parameters import Spec

FLOAT = 4  # bytes
# Of a parameter: read forwards and backwards, gradient written; then the optimizer reads it, its
# gradient and its moments and writes all but the gradient.
PASSES = {"sgd": 3 + 5, "adam": 3 + 7}


def images_in(spec: Spec) -> int:
    """Images of one episode."""
    return spec.n_way * (spec.n_shot + spec.n_query)


def layers(spec: Spec) -> list[tuple[int, int]]:
    """Input channels and side in pixels of the encoder's four convolutions."""
    return [(HIDDEN if i else 3, spec.image_size >> i) for i in range(4)]


def encoder_bytes(spec: Spec, item: int, learns: bool = True) -> int:
    """Traffic of one encoding of an episode, with the way back if it is learned from.

    A convolution reads its input and writes its output; batch statistics read that once more;
    normalisation, ReLU and pooling read it and write a quarter. Backwards the sums of batch norm
    read two quarters; its gradient reads a quarter and the output and writes as much; the
    gradients of weights and of the input each read that, and the input is read and written.

    Args:
        item: bytes of a number in the feature maps.
    """
    total = 0
    for i, (channels, side) in enumerate(layers(spec)):
        x = images_in(spec) * channels * side**2 * item
        y = images_in(spec) * HIDDEN * side**2 * item
        quarter = y // 4
        if not learns:  # normalisation is part of the convolution's weights
            total += x + 2 * y + quarter
            continue
        total += x + 3 * y + quarter
        total += 3 * quarter + 2 * y + (x + y) + (x + y if i else 0)
    return total


def encoder_flops(spec: Spec, learns: bool = True) -> int:
    """Two for a multiplication and an addition; no gradient is taken of the images themselves."""
    total = 0
    for i, (channels, side) in enumerate(layers(spec)):
        forward = images_in(spec) * 2 * 9 * channels * HIDDEN * side**2
        total += forward * ((3 if i else 2) if learns else 1)
    return total


def fakes_in(spec: Spec) -> int:
    """Hallucinated features of one step that exist one by one."""
    if spec.method == "adversarial":  # one set for each of the three networks
        return 3 * PAIR * images_in(spec)
    mixed = images_in(spec) if spec.mix_queries else spec.n_way * spec.n_shot
    return mixed * spec.n_aug


def bytes_moved(learner: PrototypicalLearner, item: int) -> int:
    """Traffic of a step.

    Of each fake: noise, written once and read twice, and its hidden layer, written and read both
    ways, four times in all; where fakes exist one by one, the fake likewise.
    """
    spec, size = learner.spec, feature_size(learner.spec.image_size)
    total = encoder_bytes(spec, item) + FLOAT * PASSES[spec.optimizer] * count_parameters(learner)
    numbers = 3 * NOISE_SIZE + 4 * (size // 4)
    if spec.method == "adversarial":
        total += encoder_bytes(spec, item, learns=False)
        numbers += 4 * size
    return total + FLOAT * numbers * fakes_in(spec)


def flops(learner: PrototypicalLearner) -> int:
    """Arithmetic of a step: encoder, linear layers forward and backward, fakes."""
    spec, size = learner.spec, feature_size(learner.spec.image_size)
    head = 3 * 2 * images_in(spec) * (2 * size * (size // 4) + size * size)
    of_noise = 2 * 2 * NOISE_SIZE * (size // 4)  # no gradient is taken of the noise
    if spec.method != "adversarial":
        return encoder_flops(spec) + head + of_noise * fakes_in(spec)
    generator = 3 * 2 * (2 * size * (size // 4)) + of_noise
    again = encoder_flops(spec, learns=False) + head // 3
    return encoder_flops(spec) + head + again + generator * fakes_in(spec)
