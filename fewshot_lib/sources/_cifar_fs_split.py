"""The classes of CIFAR-FS: CIFAR-100's, split 64 / 16 / 20 by Bertinetto et al. (ICLR 2019).

Spelt as in CIFAR-100's own list of names.
"""

TRAIN = """
apple aquarium_fish bear bee bottle bowl boy bridge bus can castle caterpillar chair clock cloud
cockroach couch cup dinosaur dolphin elephant forest girl hamster house kangaroo keyboard
lawn_mower lion lizard lobster mountain mouse mushroom oak_tree orange orchid palm_tree pear
pine_tree plate porcupine possum rabbit raccoon ray road seal shrew skunk skyscraper snake spider
squirrel streetcar sunflower tank tiger train trout tulip turtle willow_tree wolf
"""

VAL = """
beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter sea
shark television tractor
"""

TEST = """
baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail
sweet_pepper table telephone wardrobe whale woman worm
"""

CLASSES = {"train": TRAIN.split(), "val": VAL.split(), "test": TEST.split()}
