// reducers.h: the ways to sum over replicas, a row each. --allreduce, the choice and the banner
// read it.
#pragma once
#include <memory>

#include "base/names.h"
#include "comm/comm.h"
#include "reduce/codec/codec.h"
#include "reduce/reducer.h"

enum class AllreduceKind { automatic, mpi, shared, hierarchical, ring, tree, overlap, nccl };

template <>
struct Names<AllreduceKind> {
    static constexpr Named<AllreduceKind> all[] = {
        {AllreduceKind::automatic, "auto"},  {AllreduceKind::mpi, "mpi"},
        {AllreduceKind::shared, "shared"},   {AllreduceKind::hierarchical, "hierarchical"},
        {AllreduceKind::ring, "ring"},       {AllreduceKind::tree, "tree"},
        {AllreduceKind::overlap, "overlap"}, {AllreduceKind::nccl, "nccl"}};
};

/// Who has a copy of the parameters: all ranks together have one, each node has one, or each rank.
enum class Replicas { one, one_a_node, one_a_rank };

/// MPI_Allreduce of every part, in place.
std::unique_ptr<Reducer> make_mpi_reducer(const Group& group);
/// Messages in a ring of ranks, or up and down a binomial tree of them.
std::unique_ptr<Reducer> make_ring_reducer(const Group& group);
std::unique_ptr<Reducer> make_tree_reducer(const Group& group);
/// MPI_Iallreduce of buckets of the gradient, which go on while the gradient is computed.
std::unique_ptr<Reducer> make_overlapped_reducer(const Group& group, std::size_t bucket_bytes);
/// ncclAllReduce of every part, in the memory of this rank's GPU, which no other rank has. Nothing
/// of NCCL may be missing (device/gpu/nccl.h).
std::unique_ptr<Reducer> make_nccl_reducer(const Group& group, int device);
/// Each rank has a whole replica of `parameters` numbers, and sends its gradient as the codec
/// writes it. Without a codec: make_mpi_reducer().
std::unique_ptr<Reducer> make_compressed_reducer(const Group& group, const Codec& codec,
                                                 std::size_t parameters);

/// A sum that --allreduce overlap starts has at least so many bytes, but for the last of a step.
inline constexpr std::size_t default_bucket_bytes = std::size_t{1} << 19;

/// What some ways to sum have to know.
struct ReducerSettings {
    std::size_t bucket_bytes = default_bucket_bytes;
    int device = 0;  ///< CUDA's number of this rank's GPU, if it has one
};

/// Ways to sum, as a row has them.
template <std::unique_ptr<Reducer> (*make)(const Group&)>
std::unique_ptr<Reducer> by_parts(const Group& group, const ReducerSettings&) {
    return make(group);
}
inline std::unique_ptr<Reducer> by_buckets(const Group& group, const ReducerSettings& settings) {
    return make_overlapped_reducer(group, settings.bucket_bytes);
}
inline std::unique_ptr<Reducer> on_devices(const Group& group, const ReducerSettings& settings) {
    return make_nccl_reducer(group, settings.device);
}

struct ReducerRow {
    AllreduceKind kind;
    Replicas replicas;
    const char* text;  ///< for the banner
    /// For a group of ranks each of which has the same part of a replica. Null where there is one
    /// replica: then there is nothing to sum.
    std::unique_ptr<Reducer> (*make)(const Group& group, const ReducerSettings& settings);
    bool takes_one_replica = false;  ///< not refused where there is nothing to sum
};
inline constexpr ReducerRow reducers[] = {
    {AllreduceKind::mpi, Replicas::one_a_rank, "gradients summed by MPI_Allreduce",
     by_parts<make_mpi_reducer>, true},
    {AllreduceKind::shared, Replicas::one, "all work on one replica in shared memory", nullptr},
    {AllreduceKind::hierarchical, Replicas::one_a_node,
     "the ranks of a node work on one replica, MPI_Allreduce sums over the nodes",
     by_parts<make_mpi_reducer>},
    {AllreduceKind::ring, Replicas::one_a_rank, "gradients summed in a ring of ranks",
     by_parts<make_ring_reducer>},
    {AllreduceKind::tree, Replicas::one_a_rank, "gradients summed up a tree of ranks and sent down",
     by_parts<make_tree_reducer>},
    {AllreduceKind::overlap, Replicas::one_a_rank,
     "gradients summed by MPI_Iallreduce while they are computed", by_buckets},
    {AllreduceKind::nccl, Replicas::one_a_rank,
     "gradients summed by ncclAllReduce in device memory", on_devices}};

/// The row of a way that is not automatic.
constexpr const ReducerRow& row_of(AllreduceKind kind) {
    const ReducerRow* row = reducers;
    while (row->kind != kind) ++row;
    return *row;
}
