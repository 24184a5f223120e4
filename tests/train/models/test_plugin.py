import torch

from genesem_train.models import FineGrainedModulation


def test_fsm_drops_into_a_network_of_ones_own():
    from torch_geometric.nn import SAGEConv  # after genesem_train.pyg, which imports PyG quietly

    class MyNetwork(torch.nn.Module):
        def __init__(self, n_genes):
            super().__init__()
            self.conv = SAGEConv(n_genes, 16)
            self.fsm = FineGrainedModulation(16, 384)
            self.decode = torch.nn.Linear(16, n_genes)

        def forward(self, x, edge_index, semantics):
            latent = self.fsm(self.conv(x, edge_index), semantics)
            return self.decode(latent), latent

    network = MyNetwork(30)
    edges = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    rebuilt, latent = network(torch.rand(4, 30), edges, torch.rand(4, 384))
    rebuilt.square().mean().backward()
    assert rebuilt.shape == (4, 30)
    assert latent.shape == (4, 16)
    assert all(part.grad is not None for part in network.parameters())
