// driver.cpp: driver SEED NONCE FOLDER, on some ranks: lets a submission work, and writes down what
// came of it.
//
// It is linked with the submission's neural_network.cpp, so nothing that it says is believed: each
// rank writes numbers to FOLDER/RANK, and judge.cpp, which has never seen the submission, says what
// they are worth. Only rank 0 has the samples.
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "calls.h"
#include "case.h"
#include "comm/session.h"
#include "neural_network.h"
#include "records.h"
#include "reduce/reducers.h"

namespace {

/// Keeps the parameters after each step.
class Recorder : public TrainingObserver {
  public:
    explicit Recorder(DataParallelNeuralNetwork& network) : network_(network) {}
    int steps_between_reports() const override { return 1; }
    void on_step(int, int, int, double) override {
        const std::vector<nn_real> now = network_.parameters().values;
        after_steps_.insert(after_steps_.end(), now.begin(), now.end());
    }
    void on_epoch(int, double) override {}
    const std::vector<nn_real>& after_steps() const { return after_steps_; }

  private:
    DataParallelNeuralNetwork& network_;
    std::vector<nn_real> after_steps_;
};

class Driver {
  public:
    Driver(const Comm& comm, const GradedCase& asked, RecordWriter& out)
        : comm_(comm), asked_(asked), out_(out) {}

    /// J of one mini-batch, without and with a penalty.
    void ask_loss() {
        DataParallelNeuralNetwork network = make_network();
        const SampleSet set = on_root(asked_.step_set);
        std::vector<double> losses;
        for (const double reg : {0.0, asked_.reg}) {
            go_forward(network, set);
            losses.push_back(network.loss(reg));
        }
        out_.add("loss", losses);
    }
    /// The parameters after one step from the first parameters.
    void ask_step(const std::string& name, double reg) {
        DataParallelNeuralNetwork network = make_network();
        const SampleSet set = on_root(asked_.step_set);
        const Calls before = calls_so_far();
        go_forward(network, set);
        network.backward();
        network.update({graded_rate, static_cast<nn_real>(reg)});
        write_calls(name, before);
        out_.add(name, network.parameters().values);
    }
    /// The parameters after each step of a training, and at its end.
    void ask_training() {
        DataParallelNeuralNetwork network = make_network();
        Recorder recorder(network);
        const Calls before = calls_so_far();
        network.train(on_root(asked_.train_set), asked_.training, &recorder);
        write_calls("training", before);
        out_.add("training", recorder.after_steps());
        out_.add("trained", network.parameters().values);
    }

  private:
    DataParallelNeuralNetwork make_network() const {
        const int shard = shard_of(asked_.training.batch, 0, comm_.size()).count;
        return {comm_,
                make_cpu_replica({asked_.layout, shard, asked_.training.pixel_scale}, {}),
                asked_.initial,
                {comm_.size() > 1 ? make_mpi_reducer(comm_.all_ranks()) : nullptr,
                 FeedKind::scattered}};
    }
    SampleSet on_root(const SampleSet& set) const { return comm_.is_root() ? set : SampleSet{}; }
    void go_forward(DataParallelNeuralNetwork& network, const SampleSet& set) const {
        const int batch = asked_.training.batch;
        std::vector<std::uint32_t> order(static_cast<std::size_t>(batch));
        std::iota(order.begin(), order.end(), 0u);
        network.feed(set).begin(order, batch);
        network.load({0, batch});
        network.forward();
    }
    void write_calls(const std::string& name, const Calls& before) {
        const Calls now = calls_so_far();
        out_.add(name + "-calls",
                 std::vector{now.summed - before.summed, now.scattered - before.scattered});
    }

    const Comm& comm_;
    const GradedCase& asked_;
    RecordWriter& out_;
};

}  // namespace

int main(int argc, char** argv) {
    Session mpi(argc, argv);
    const Comm& comm = mpi.join();
    try {
        if (argc != 4) throw InputError("usage: driver SEED NONCE FOLDER; make grade calls it");
        const GradedCase asked = graded_case(std::strtoull(argv[1], nullptr, 10));
        RecordWriter out(std::string(argv[3]) + "/" + std::to_string(comm.rank()), argv[2]);
        Driver driver(comm, asked, out);
        driver.ask_loss();
        driver.ask_step("step", 0);
        driver.ask_step("step-with-penalty", asked.reg);
        driver.ask_training();
    } catch (const std::exception& error) {
        mpi.abort_all(error.what(), exit_failure);
    }
    return exit_ok;
}
