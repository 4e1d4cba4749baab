"""submissions.py: what the grader is tried on: the solution with one mistake or one cheat in it.

Each is a change of neural_network.cpp: texts that stand there exactly once, and what replaces them. Beside it
stand the rows of the grader's table that it must lose. It must lose no other: a mistake is paid for once, so a
wrong gradient costs nothing of the training, and a wrong loss nothing of the gradient. Where a text moved,
change it here.
"""
import re

RANKS = ("1 rank", "2 ranks", "3 ranks", "4 ranks", "5 ranks")


def at(what, ranks):
    return [f"{what}, {text}" for text in ranks]


SEVERAL = RANKS[1:]
FEW = RANKS[2:3]
GRADIENT_IN_DOUBLE = at("gradient in double", FEW)
GRADIENT_OF_SEVERAL = at("gradient", SEVERAL) + GRADIENT_IN_DOUBLE
TRAINING = at("training", RANKS) + at("training in double", FEW)
ENDINGS = at("training that ends early", RANKS)
TOLD = at("loss told by train", RANKS)
EVERYTHING = None
SCALE = "replica_->forward(weight / static_cast<nn_real>(batch_.of), Want::gradient);"
OF_SHARD = "static_cast<nn_real>(std::max(1, shard_of(batch_.of, comm_.rank(), comm_.size()).count))"
UPDATE = "void DataParallelNeuralNetwork::update(const Update& update) {"
UPDATE_CHANGED = "void DataParallelNeuralNetwork::update(const Update& asked) {\n    Update update = asked;\n"
UPDATED = """        for (const Sum& sum : std::exchange(own_sums_, {})) replica_->update(update, sum);
    }
"""
TRAIN = "    // solution: train\n"

MISTAKES = {
    "a gradient divided by the local size": (
        [(SCALE, f"replica_->forward(weight / {OF_SHARD}, Want::gradient);")], GRADIENT_OF_SEVERAL),
    "a gradient averaged over local means": (
        [(SCALE, f"replica_->forward(weight / {OF_SHARD} / static_cast<nn_real>(comm_.size()), Want::gradient);")],
        GRADIENT_OF_SEVERAL),
    "a penalty counted once a rank": (
        [(UPDATE, UPDATE_CHANGED + "    update.reg *= static_cast<nn_real>(comm_.size());")],
        at("penalty on the weights", FEW)),
    "no penalty": (
        [(UPDATE, UPDATE_CHANGED + "    update.reg = 0;"),
         ("return reg / 2 * replica_->weights_squared();", "return 0 * reg;")],
        at("penalty on the weights", FEW) + at("penalty in the loss", FEW)),
    "a penalty on the biases": (
        [(UPDATED, UPDATED + """    Parameters<nn_real> all = parameters();
    for (int l = 1; l <= layout_.layers(); ++l)
        for (nn_real& bias : all.bias(l)) bias -= update.rate * update.reg * bias;
    replica_->write(all.values);
""")],
        at("no penalty on the biases", FEW)),
    "a last mini-batch that is dropped": (
        [("const int steps = schedule.steps_in_epoch();", "const int steps = static_cast<int>(count / batch);")],
        TRAINING),
    "a bias gradient that is not reduced": (
        [("            techniques_.reducer->start(lent);\n",
          "            own.assign(lent.values.begin(), lent.values.end()), techniques_.reducer->start(lent);\n"),
         ("            replica_->update(update, techniques_.reducer->finish());\n", """        {
            const Sum sum = techniques_.reducer->finish();
            std::copy_n(sum.values, sum.count, own_weights.begin());
            for (int l = 1; l <= layout_.layers(); ++l)
                std::copy_n(own.begin() + static_cast<std::ptrdiff_t>(layout_.bias_offset(l)), layout_.size(l),
                            own_weights.begin() + static_cast<std::ptrdiff_t>(layout_.bias_offset(l)));
            replica_->update(update, {sum.first, sum.count, own_weights.data()});
        }
"""),
         ("// ---- the four verbs\n", "static std::vector<nn_real> own, own_weights(100000);\n")],
        GRADIENT_OF_SEVERAL),
    "a loss of rank 0 alone": (
        [("return so_far + comm_.sum(mine);", "return so_far + comm_.from_root(mine);")],
        at("loss", SEVERAL) + at("loss told by train", SEVERAL)),
    "a gradient that nobody divides": (
        [(SCALE, "replica_->forward(weight, Want::gradient);")], at("gradient", RANKS) + GRADIENT_IN_DOUBLE),
    "a loss that nobody divides": (
        [("return take_loss() / samples + penalty(reg);", "return samples * 0 + take_loss() + penalty(reg);")],
        at("loss", RANKS)),
    "a loss that forgets the sum so far": (
        [("return so_far + comm_.sum(mine);", "return 0 * so_far + comm_.sum(mine);")],
        at("loss", RANKS) + TOLD),
    "losses of steps that are told undivided": (
        [("steps, sum / samples + penalty_before);", "steps, 0 * samples + sum + penalty_before);")], TOLD),
    "nothing told": (
        [("if (reports) {", "if (reports && false) {"), ("if (observer == nullptr) continue;", "continue;")],
        TOLD),
    "a training that begins anew, whatever it goes on from": (
        [("    TrainingState state = from;\n", "    TrainingState state;\n")], ENDINGS),
    "a training that cannot go on": (
        [("    TrainingState state = from;\n", """    if (from.epoch + from.step > 0) throw InputError("a training that goes on");
    TrainingState state = from;
""")], ENDINGS),
    "a divergence that nobody is told of": (
        [("if (!comm_.all(std::isfinite(loss)))", "if (false)")], ENDINGS),
    "copies that are not compared": (
        [('        compare_copies("after epoch " + epoch);\n', "")], at("training that ends early", SEVERAL)),
}

# Every rank gets the whole set and trains the serial class.
SERIAL = """    {
        SampleSet set = set_on_root;
        set.rows = comm_.from_root(set.rows), set.cols = comm_.from_root(set.cols);
        set.classes = comm_.from_root(set.classes);
        const std::size_t all = comm_.from_root(set.count());
        set.pixels.resize(all * set.features()), set.labels.resize(all);
        comm_.broadcast(std::span(set.pixels)), comm_.broadcast(std::span(set.labels));
        NeuralNetwork serial(parameters());
        const Schedule schedule(training, all);
        const auto batch = static_cast<std::size_t>(training.batch);
        for (int epoch = 0; epoch < training.end(); ++epoch) {
            const auto order = sample_order(all, epoch, training);
            for (int step = 0; step < schedule.steps_in_epoch(); ++step) {
                const std::size_t first = static_cast<std::size_t>(step) * batch;
                const auto some = std::span(order).subspan(first, std::min(batch, all - first));
                serial.forward(input_columns(set, some, training.pixel_scale));
                serial.backward(target_columns(set, some), 0);
                serial.update(schedule.update(epoch, step));
                Parameters<nn_real> now(layout_);
                std::ranges::transform(serial.parameters().values, now.values.begin(),
                                       [](double x) { return static_cast<nn_real>(x); });
                replica_->write(now.values);
                std::ranges::copy(now.values, serial.parameters().values.begin());
                if (observer != nullptr) observer->on_step(epoch, step + 1, schedule.steps_in_epoch(), 0);
            }
        }
        if (training.epochs > 0) return {training.end(), 0, 0};
    }
"""


def before_main(code):
    """A cheat that does its work before main() begins."""
    return [(TRAIN, TRAIN), ("// ---- the four verbs\n",
                             "#include <sys/prctl.h>\n#include <unistd.h>\n#include <cstdio>\n#include <cstdlib>\n#include <fstream>\n"
                             "static const int cheat = [] {\n" + code + "\n    return 0;\n}();\n")]


def cheats(files_of_the_grader):
    """Needs the files that one of them tries to overwrite."""
    names = ", ".join(f'"{name}"' for name in files_of_the_grader)
    return {
        "prints PASSED and exits 0": (
            before_main('    std::puts("CHECK PASSED\\npoints 70 / 70");\n    std::fflush(stdout);\n    _exit(0);'),
            EVERYTHING),
        "overwrites what the grader is made of": (
            before_main(f"""    for (const char* name : {{{names}, "driver", "out/0", "out/1", "../judge"}})
        std::ofstream(name) << "loss 1\\nstep 1\\ntraining 1\\n";
    _exit(0);"""), EVERYTHING),
        "starts processes without end, which wait": (
            before_main("    prctl(PR_SET_NAME, \"course-cheat\");\n    while (fork() >= 0) setsid();\n    for (;;) pause();"), EVERYTHING),
        "throws that the ranks differ, which they do not": (
            [(TRAIN, TRAIN + """    if (!std::isfinite(parameters().bias(1)[0])) throw Diverged("it is not a number");
    if (training.epochs > 0) throw RanksDiffer("as it seems");
""")], TRAINING + TOLD + ENDINGS),
        "trains the serial class on every rank": (
            [(TRAIN, TRAIN + SERIAL)], TRAINING + TOLD + ENDINGS + at("penalty in the loss", FEW)),
    }


def changed(text, changes):
    """The text with the changes, each of which has to fit exactly once."""
    for old, new in changes:
        if text.count(old) != 1:
            raise SystemExit(f"tests/course/submissions.py: neural_network.cpp has this {text.count(old)} times, "
                             f"not once; adapt it: {re.sub(chr(10), ' ', old)[:80]}")
        text = text.replace(old, new)
    return text
