"""How the embedded model ``emoji2`` was made: data, VAE, teacher and its measure."""
