"""Learning in Lava's processes.

network         the processes of a network that learns
schedule        when each of them starts a sample, learns and updates
message         what neurons send to their synapses
signal          how learning signals travel back: shifts and waits of each process
synapse_inputs  what a connection brings in a step: weighted sums, and what arrives at each synapse
eligibility     compiled loops of eligibilities
kernels         all kernels, made before Lava forks
update          gradients to weights and parameters
records         files of a run
run             a child process that runs them; `worker` is its program
"""

from hypr_neuro.renamed import renamed_names

_OF_NETWORK = ("LavaLearningNetwork", "check_learning", "learning_network")
__getattr__ = renamed_names(__name__, {name: f"network.{name}" for name in _OF_NETWORK})
