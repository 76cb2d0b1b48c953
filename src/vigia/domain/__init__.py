"""What is true without machines: no clock, no thread, no input or output. numpy and nothing else."""
