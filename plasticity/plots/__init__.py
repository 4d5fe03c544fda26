"""Pictures: one drawing code for page, notebook, paper and wandb."""
