// driver.cpp: driver SEED NONCE FOLDER, on some ranks: lets a submission work, and writes down what
// came of it.
//
// It is linked with the submission's neural_network.cpp, so nothing that it says is believed: each
// rank writes numbers to FOLDER/RANK, and judge.cpp, which has never seen the submission, says what
// they are worth. Only rank 0 has the samples.
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "calls.h"
#include "case.h"
#include "comm/session.h"
#include "neural_network.h"
#include "recorder.h"
#include "records.h"
#include "reduce/reducers.h"
#include "train/agree.h"
#include "train/order.h"
#include "train/schedule.h"

namespace {

class Driver {
  public:
    Driver(const Comm& comm, const GradedCase& asked, RecordWriter& out)
        : comm_(comm), asked_(asked), out_(out) {}

    /// J of one mini-batch, without and with a penalty; then of two that are the same samples. And
    /// the sum of the losses, with a number that it is added to.
    void ask_loss() {
        DataParallelNeuralNetwork network = make_network();
        const SampleSet set = on_root(asked_.step_set);
        const int batch = asked_.training.batch;
        std::vector<double> losses;
        for (const double reg : {0.0, asked_.reg}) {
            go_forward(network, set, {batch});
            losses.push_back(network.loss(reg));
        }
        go_forward(network, set, {batch - graded_second, graded_second});
        losses.push_back(network.loss(0));
        go_forward(network, set, {batch});
        losses.push_back(network.take_loss({}, {}, graded_so_far));
        out_.add("loss", losses);
    }
    /// The parameters after one step from the first parameters.
    void ask_step(const std::string& name, double reg) {
        DataParallelNeuralNetwork network = make_network();
        const SampleSet set = on_root(asked_.step_set);
        const Calls before = calls_so_far();
        go_forward(network, set, {asked_.training.batch});
        network.backward();
        network.update({graded_rate, static_cast<nn_real>(reg)});
        write_calls(name, before);
        out_.add(name, network.parameters().values);
    }
    /// The steps that train() should do, each called from here. They end where it must end: after
    /// the last epoch, or one after which the ranks' parameters differ.
    void ask_own_steps() {
        DataParallelNeuralNetwork network = make_network();
        const SampleSet set = on_root(asked_.train_set);
        const std::size_t count = asked_.train_set.count();
        const Schedule schedule(asked_.training, count);
        const auto batch = static_cast<std::size_t>(asked_.training.batch);
        std::vector<nn_real> after_steps;
        Feed& feed = network.feed(set);
        try {
            for (int epoch = 0; epoch < asked_.training.end(); ++epoch) {
                feed.begin(sample_order(count, epoch, asked_.training), asked_.training.batch);
                for (int step = 0; step < schedule.steps_in_epoch(); ++step) {
                    const std::size_t first = static_cast<std::size_t>(step) * batch;
                    network.load({first, static_cast<int>(std::min(batch, count - first))});
                    network.forward();
                    network.backward();
                    network.update(schedule.update(epoch, step));
                    const std::vector<nn_real> now = network.parameters().values;
                    after_steps.insert(after_steps.end(), now.begin(), now.end());
                }
                check_ranks_agree(comm_, asked_.layout, network.parameters().values, "");
            }
        } catch (const RanksDiffer&) {
        }
        out_.add("own", after_steps);
    }
    /// A training from the first parameters to its end.
    void ask_training() {
        DataParallelNeuralNetwork network = make_network();
        Recorder recorder(network, {});
        train("training", network, asked_.train_set, asked_.training, &recorder);
    }
    /// One that is stopped and goes on, one that is done after an epoch, one without an observer.
    void ask_endings() {
        DataParallelNeuralNetwork network = make_network();
        Recorder stops(network, {2, graded_stop, 0}), resumed(network, {2, 0, 0});
        const TrainingState at =
            train("stopped", network, asked_.train_set, asked_.training, &stops);
        train("resumed", network, asked_.train_set, asked_.training, &resumed, at);
        DataParallelNeuralNetwork another = make_network();
        Recorder done(another, {0, 0, 1});
        train("done", another, asked_.train_set, asked_.training, &done);
        DataParallelNeuralNetwork third = make_network();
        train("silent", third, asked_.train_set, asked_.training, nullptr);
    }
    /// A training of one step, without and with a penalty.
    void ask_told_penalty() {
        for (const double reg : {0.0, asked_.reg}) {
            DataParallelNeuralNetwork network = make_network();
            Recorder recorder(network, {});
            Training training = asked_.training;
            training.epochs = 1;
            training.reg = reg;
            train(reg > 0 ? "told-with-penalty" : "told", network, asked_.step_set, training,
                  &recorder);
        }
    }
    /// A training from a parameter that is no number.
    void ask_divergence() {
        GradedCase broken = asked_;
        broken.initial.bias(1)[0] = std::numeric_limits<nn_real>::quiet_NaN();
        DataParallelNeuralNetwork network = make_network(broken.initial);
        train("diverging", network, asked_.train_set, asked_.training, nullptr);
    }

  private:
    DataParallelNeuralNetwork make_network() const { return make_network(asked_.initial); }
    DataParallelNeuralNetwork make_network(const Parameters<nn_real>& initial) const {
        const int shard = shard_of(asked_.training.batch, 0, comm_.size()).count;
        return {comm_,
                make_cpu_replica({asked_.layout, shard, asked_.training.pixel_scale}, {}),
                initial,
                {comm_.size() > 1 ? make_mpi_reducer(comm_.all_ranks()) : nullptr,
                 FeedKind::scattered}};
    }
    SampleSet on_root(const SampleSet& set) const { return comm_.is_root() ? set : SampleSet{}; }
    /// Over the set's first samples, in mini-batches of these sizes.
    void go_forward(DataParallelNeuralNetwork& network, const SampleSet& set,
                    const std::vector<int>& sizes) const {
        std::vector<std::uint32_t> order(static_cast<std::size_t>(asked_.training.batch));
        std::iota(order.begin(), order.end(), 0u);
        network.feed(set).begin(order, sizes[0]);
        std::size_t first = 0;
        for (const int size : sizes) {
            network.load({first, size});
            network.forward();
            first += static_cast<std::size_t>(size);
        }
    }
    /// Writes down all that came of a training, also of one that failed on every rank.
    TrainingState train(const std::string& name, DataParallelNeuralNetwork& network,
                        const SampleSet& set, const Training& training, Recorder* recorder,
                        const TrainingState& from = {}) {
        const Calls before = calls_so_far();
        const SampleSet mine = on_root(set);
        TrainingState end;
        int ending = trained;
        try {
            end = network.train(mine, training, recorder, from);
        } catch (const RanksDiffer&) {
            ending = ranks_differ;
        } catch (const Diverged&) {
            ending = diverged;
        }
        write_calls(name, before);
        if (recorder != nullptr) {
            out_.add(name, recorder->after_steps());
            out_.add(name + "-steps-told", recorder->told());
            out_.add(name + "-epochs-told", recorder->epochs());
            out_.add(name + "-after-epochs", recorder->after_epochs());
        }
        out_.add(name + "-end", std::vector<int>{ending, end.epoch, end.step,
                                                 static_cast<int>(network.compared_copies())});
        out_.add(name + "-parameters", network.parameters().values);
        return end;
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
        driver.ask_own_steps();
        driver.ask_training();
        driver.ask_told_penalty();
        driver.ask_endings();
        driver.ask_divergence();
    } catch (const std::exception& error) {
        mpi.abort_all(error.what(), exit_failure);
    }
    return exit_ok;
}
