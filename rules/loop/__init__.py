"""The training loop: gradients, optimizer steps, train and eval mode (TL1xx)."""
