"""From files to episodes: images in memory, drawn by index, the same for every method."""
