"""What an image was made with, in other words: an experiment file, also of other tools' images. No torch."""
