"""Images of runs measured after they are made: against their prompts, or against reference images."""
