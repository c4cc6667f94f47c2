"""Networks, training and inference: arrays in, arrays out."""
