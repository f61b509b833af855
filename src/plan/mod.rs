//! Steps, keys, the graph, the size estimate.
