"""Learning on a chip held beside float training: the float twin, probes, the first difference."""
