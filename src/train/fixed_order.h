// fixed_order.h: sums over a mini-batch that have the same bits at any number of replicas.
//
// The order is that of base/leaves.h. A replica adds up each whole tree of leaves that it has, and
// the sums of these trees are all that travels. They are added by one rank for each range of the
// gradient, in the order of the whole tree. Slices of a mini-batch end at leaves too, so it also
// does not matter in how many slices a mini-batch comes.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "comm/comm.h"
#include "device/lent.h"
#include "device/replica.h"
#include "train/feed.h"
#include "train/slices.h"

/// How a training adds in that order.
struct FixedOrderWay {
    bool is_taken = false;
    /// Ranks that have the same part of the gradient, one of each replica; null: there is only one
    /// replica.
    const Group* across = nullptr;
    int ranks_together = 1;  ///< of one replica

    Dealing dealing() const { return {is_taken, ranks_together}; }
};

/// The sums of the gradients.
class FixedOrder {
  public:
    /// `replica` adds in leaves (Replica::leaf_sums). Collective, as all its functions.
    FixedOrder(const Comm& comm, Replica& replica, const FixedOrderWay& way);

    /// Takes the gradient of the replica's current samples, a slice of `batch`.
    void add(const Batch& batch, const Slice& slice);
    /// True if a whole mini-batch was added, and its sum was not taken.
    bool has_sum() const { return is_complete_; }
    /// The sum over all replicas, of this rank's part of the gradient. Valid until add().
    Sum sum();
    std::size_t bytes_given() const { return bytes_; }

  private:
    /// The sum of a tree of leaves: of another replica, only the range of the gradient that this
    /// rank adds.
    struct TreeSum {
        Range leaves;
        std::vector<nn_real> values;
    };
    /// Sums of trees that keep their memory from one mini-batch to the next.
    struct TreeSums {
        std::vector<TreeSum> all;
        std::size_t used = 0;
        TreeSum& next(Range leaves, std::size_t count);
        TreeSum& from_end(std::size_t i) { return all[used - i]; }
    };
    void add_tree(Range leaves, Range own, int first_of_slice);
    void exchange();
    void receive_trees(const Group& group, Messages& messages, const Part& mine);
    std::span<nn_real> add_all(std::size_t first, std::size_t count);

    const Comm& comm_;
    Replica& replica_;
    const FixedOrderWay way_;
    std::size_t count_;                      ///< numbers of this rank's part
    int samples_ = 0, leaves_ = 0;           ///< added so far; of the whole mini-batch
    TreeSums own_;                           ///< in the order of their leaves
    TreeSums others_;                        ///< of the other replicas
    std::vector<std::vector<Range>> trees_;  ///< of each replica
    std::vector<nn_real> sum_;
    bool is_complete_ = false;
    std::size_t bytes_ = 0;
};

/// Every rank has the losses of its samples of some mini-batches. Returns their sum over all ranks:
/// of each mini-batch in leaves, then one after the other, added to `so_far`. `loads` are the
/// mini-batches, or their slices. Collective.
double sum_of_losses(const Comm& comm, std::span<const double> mine, std::span<const Batch> loads,
                     const Dealing& dealing, double so_far);
