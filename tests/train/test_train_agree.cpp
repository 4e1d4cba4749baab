// test_train_agree.cpp: replicas that drift apart are seen, named, and end the training.
#include "tests/support/train_fixture.h"
#include "train/agree.h"

namespace {

/// The words of RanksDiffer where rank `rank` has another parameter `i`; empty where none is
/// thrown.
std::string difference(int rank, std::size_t i) {
    const Layout layout({4, 3, 2});
    Parameters<nn_real> mine = initial_parameters<nn_real>(layout, 1, 0);
    if (comm().rank() == rank) mine.values[i] = std::nextafter(mine.values[i], nn_real{9});
    try {
        check_ranks_agree(comm(), layout, mine.values, "here");
    } catch (const RanksDiffer& error) {
        return error.what();
    }
    return "";
}
TEST(Agreement, small_last_bit_of_one_parameter_of_one_rank_is_seen_and_named_on_every_rank) {
    EXPECT_EQ(difference(comm().size(), 0), "") << "all ranks have the same";
    const std::pair<std::size_t, const char*> elements[] = {{0, "W1"},  {11, "W1"}, {12, "b1"},
                                                            {15, "W2"}, {20, "W2"}, {22, "b2"}};
    for (int rank = 1; rank < comm().size(); ++rank)
        for (const auto& [i, tensor] : elements) {
            const std::string words = difference(rank, i);
            EXPECT_NE(words.find("rank " + std::to_string(rank) + " has another " + tensor + " "),
                      std::string::npos)
                << "parameter " << i << ": '" << words << "'";
            EXPECT_NE(words.find("here"), std::string::npos);
        }
}

/// A replica of which rank 1's changes a parameter by itself after its update number `at`.
class Drifting : public Replica {
  public:
    Drifting(std::unique_ptr<Replica> replica, int at)
        : Replica(replica->shape()), replica_(std::move(replica)), left_(at) {}
    std::string device_name() const override { return replica_->device_name(); }
    SampleStore& samples() override { return replica_->samples(); }
    void forward(nn_real scale, Want want) override { replica_->forward(scale, want); }
    void backward(const std::function<void(int)>& ready) override { replica_->backward(ready); }
    std::span<const Part> parts() const override { return replica_->parts(); }
    Lent lend(int part) override { return replica_->lend(part); }
    void update(const Update& update, const Sum& sum) override {
        replica_->update(update, sum);
        if (--left_ != 0 || comm().rank() != 1) return;
        std::vector<nn_real> parameters(shape().layout.total());
        read(parameters);
        parameters.back() += nn_real{0.5};
        write(parameters);
    }
    void backward_and_update(const Update& update) override {
        replica_->backward_and_update(update);
    }
    double take_loss() override { return replica_->take_loss(); }
    double weights_squared() override { return replica_->weights_squared(); }
    void outputs(std::span<nn_real> yhat) override { replica_->outputs(yhat); }
    void read(std::span<nn_real> parameters) override { replica_->read(parameters); }
    void write(std::span<const nn_real> parameters) override { replica_->write(parameters); }
    void read_moment(int moment, std::span<nn_real> values) override {
        replica_->read_moment(moment, values);
    }
    void write_moment(int moment, std::span<const nn_real> values) override {
        replica_->write_moment(moment, values);
    }

  private:
    std::unique_ptr<Replica> replica_;
    int left_;
};

/// Three epochs of three steps each.
TEST(Drift, small_of_one_parameter_ends_the_training_after_its_epoch_on_every_rank) {
    const Case c = small_case(20, 8, 3);
    const SampleSet set = random_set(c.sizes, c.images);
    for (const int at : {1, 3, 4, 9}) {
        const ReplicaShape shape{Layout(c.sizes), 8, unit_pixels};
        DataParallelNeuralNetwork network(
            comm(), std::make_unique<Drifting>(make_cpu_replica(shape, {}), at), initial_of(c),
            {comm().size() > 1 ? make_mpi_reducer(comm().all_ranks()) : nullptr});
        Listener heard;
        const auto train = [&] { network.train(set, c.training, &heard); };
        if (comm().size() == 1) {
            EXPECT_NO_THROW(train());
            continue;
        }
        EXPECT_THROW(train(), RanksDiffer) << "in update " << at;
        EXPECT_EQ(heard.epochs.size(), static_cast<std::size_t>((at - 1) / 3));
    }
}

/// Stopped within an epoch, before a checkpoint would keep rank 0's parameters for all.
TEST(Drift, small_of_one_parameter_is_seen_where_a_training_stops) {
    struct Stopper : Listener {
        bool may_stop() const override { return true; }
        bool stops() override { return true; }
    } stopper;
    const Case c = small_case(20, 8, 3);
    const SampleSet set = random_set(c.sizes, c.images);
    for (const int at : {1, 2}) {  // it stops after the first step
        DataParallelNeuralNetwork network(
            comm(),
            std::make_unique<Drifting>(make_cpu_replica({Layout(c.sizes), 8, unit_pixels}, {}), at),
            initial_of(c), {comm().size() > 1 ? make_mpi_reducer(comm().all_ranks()) : nullptr});
        const auto train = [&] { network.train(set, c.training, &stopper); };
        if (at == 1 && comm().size() > 1)
            EXPECT_THROW(train(), RanksDiffer);
        else
            EXPECT_NO_THROW(train());
        EXPECT_EQ(network.compared_copies(), at == 2 && comm().size() > 1);
    }
}

}  // namespace
