"""What a prompt is made of, without torch: tags, weights, tokens, wildcards, and files of prompts."""
