"""Brief training: data and augmentation on the device, the step, the evaluation."""
