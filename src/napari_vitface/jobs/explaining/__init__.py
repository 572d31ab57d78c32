"""The explain job and its kin: attention of frames, as pictures, files and figures."""
