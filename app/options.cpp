// options.cpp: the flags, their meaning and their limits, by CLI11.
//
// Numbers are read strictly: decimal, whole, in range, nothing before or after them. What a grading
// mode fixes cannot be given beside it.
#include "app/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sstream>

#include "error.h"
#include "nn_real.h"

namespace {

/// Text that is a number of type T in [least, most] and nothing else. No flag takes a number below
/// 0, so a sign is refused; and a 0 before other digits, which could be meant as octal.
template <class T>
bool is_number(const std::string& text, T least, T most, T& value) {
    if (text.starts_with('-')) return false;
    if (std::is_integral_v<T> && text.size() > 1 && text.starts_with('0')) return false;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return false;
    return value >= least && value <= most;  // false for NaN
}

/// Refuses an argument that is not a number in [least, most]. Names the range in the message.
template <class T>
CLI::Validator number(T least, T most) {
    std::ostringstream range;
    range << (std::is_integral_v<T> ? "a whole number" : "a number") << " from " << least << " to "
          << most;
    return {[=, text = range.str()](std::string& argument) {
                T value;
                return is_number(argument, least, most, value)
                           ? std::string{}
                           : "expected " + text + ", found '" + argument + "'";
            },
            ""};
}

std::vector<int> parse_sizes(const std::string& text) {
    std::vector<int> sizes;
    std::istringstream list(text + ",");
    for (std::string item; std::getline(list, item, ',');) {
        int size = 0;
        if (!is_number(item, 1, 1 << 20, size))
            throw InputError(
                "-n: expected sizes from 1 to 1048576 with commas between them (100 "
                "or 512,256), found '" +
                text + "'");
        sizes.push_back(size);
    }
    return sizes;
}

/// The course's grading modes 1 to 3.
void apply_grade(Options& options) {
    const double rates[] = {0.0005, 0.001, 0.002};
    const int epochs[] = {40, 10, 1};
    Training& t = options.training;
    options.hidden = {100};
    t.rate = rates[options.grade - 1];
    t.epochs = epochs[options.grade - 1];
    t.decay = 1;
    t.batch = 800;
    t.reg = 1e-4;
    t.shuffled = false;
    options.init_scale = 0.01;
    options.raw_pixels = true;
    options.hold_out = 6000;
    options.compare = true;
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, bool speaks) {
    constexpr double largest = std::numeric_limits<float>::max();
    Options o;
    Training& t = o.training;
    t = {.batch = 24, .epochs = 16, .rate = 1.2, .decay = 0.88, .reg = 3e-5};
    std::string hidden = "200";

    CLI::App app{"Trains a neural network on MNIST, data-parallel: mpirun -np 4 ./main"};
    app.option_defaults()->always_capture_default()->disable_flag_override();
    app.set_help_flag("-h,--help", "print this and exit");
    app.set_version_flag("--version",
                         std::string("main ") + program_version + " (" + nn_real_name + ")");
    app.get_formatter()->column_width(36);
    bool in_order = false, in_new_order = false;
    const std::vector<CLI::Option*> fixed_by_grade = {
        app.add_option("-n,--hidden", hidden, "sizes of the hidden layers: 100 or 512,256")
            ->type_name("SIZES"),
        app.add_option("-b,--batch", t.batch, "images in a mini-batch, all ranks together")
            ->check(number(1, std::numeric_limits<int>::max())),
        app.add_option("-e,--epochs", t.epochs, "passes over the training images")
            ->check(number(1, 1000000)),
        app.add_option("-l,--learning-rate", t.rate, "learning rate of the first epoch")
            ->check(number(0.0, largest)),
        app.add_option("--lr-decay", t.decay, "the learning rate's factor after each epoch")
            ->check(number(0.0, largest)),
        app.add_option("-r,--reg", t.reg, "L2 penalty on the weights")->check(number(0.0, largest)),
        app.add_option("--init-scale", o.init_scale,
                       "deviation of the first weights; 0: 1/sqrt(inputs of the layer)")
            ->check(number(0.0, largest)),
        app.add_option("--train-size", o.train_size,
                       "train on the first so many images, hold the others out; 0: all")
            ->check(number<std::size_t>(0, std::numeric_limits<std::uint32_t>::max())),
        app.add_flag("--shuffle", in_new_order, "a new order of the images each epoch (default)"),
        app.add_flag("--no-shuffle", in_order, "the images in the file's order"),
        app.add_flag("--raw-pixels", o.raw_pixels,
                     "inputs 0..255, not 0..1; needs a much smaller -l"),
    };
    app.add_option("-p,--print-every", t.print_every,
                   "print the loss every so many steps, as epoch:step; 0: never")
        ->check(number(0, std::numeric_limits<int>::max()));
    app.add_flag("-s,--compare", o.compare, "train the CPU reference too and compare");
    const auto* grade = app.add_option("-g,--grade", o.grade,
                                       "grading mode: 1, 2, 3 train as the course does and "
                                       "compare; 4 judges the GEMM")
                            ->check(number(1, 4))
                            ->default_str("");
    app.add_option("--seed", t.seed, "of the first weights and the orders")
        ->check(number<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max()));
    app.add_option("--device", o.device, "auto (a GPU where there is one), cuda or cpu")
        ->check(CLI::IsMember({"auto", "cuda", "cpu"}));
    app.add_option("--threads", o.threads,
                   "threads of each rank on the CPU; 0: as many as it has cores")
        ->check(number(0, 1024));
    app.add_option("--gemm", o.gemm,
                   "the first layer's products: bf16x3 (float by three bf16, exact; needs AMX, or "
                   "a GPU of compute capability 8.0), fp32, or auto")
        ->check(CLI::IsMember({"auto", "fp32", "bf16x3"}));
    app.add_option("--allreduce", o.allreduce,
                   "gradients by mpi (MPI_Allreduce), shared (memory of one node, on the CPU), or "
                   "auto")
        ->check(CLI::IsMember({"auto", "mpi", "shared"}));
    app.add_option("--data", o.data, "folder of the IDX files")->type_name("DIR");
    std::string scatter = "once";
    app.add_option("--scatter", scatter,
                   "once: the images go to every device at the start; every-step: each mini-batch "
                   "is scattered")
        ->check(CLI::IsMember({"once", "every-step"}));
    app.add_flag("--cuda-aware", o.cuda_aware, "hand device memory to MPI, if it takes that");
    app.add_option("--csv", o.csv, "write a line for each epoch to this file")->type_name("FILE");
    app.footer(
        "Exit codes: 0 right, 1 a check failed (comparison, or training diverged),\n"
        "2 bad use or input, 3 a call failed (MPI, CUDA, memory).\n"
        "Example: mpirun -np 2 ./main -n 128 -e 5 -s");

    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        if (speaks) std::printf("%s", app.help().c_str());
        return std::nullopt;
    } catch (const CLI::CallForVersion&) {
        if (speaks) std::printf("%s\n", app.version().c_str());
        return std::nullopt;
    } catch (const CLI::ExtrasError&) {
        std::string unknown;
        for (const std::string& argument : app.remaining()) unknown += " '" + argument + "'";
        throw InputError("argument not expected:" + unknown + "; see ./main --help");
    } catch (const CLI::ArgumentMismatch& error) {
        // CLI11 names the flag without its dashes here.
        const std::string what = error.what();
        throw InputError((what.starts_with('-') ? "" : "--") + what + "; see ./main --help");
    } catch (const CLI::ParseError& error) {
        throw InputError(std::string(error.what()) + "; see ./main --help");
    }
    for (const CLI::Option* option : fixed_by_grade)
        if (grade->count() > 0 && option->count() > 0)
            throw InputError("--grade fixes " + option->get_name() +
                             "; leave one of the two out; see ./main --help");
    if (o.grade == 4)
        for (const CLI::Option* option : app.get_options())
            if (option->count() > 0 && option != grade)
                throw InputError("--grade 4 takes no other flag, found " + option->get_name() +
                                 "; see ./main --help");
    if (in_order && in_new_order)
        throw InputError("--shuffle and --no-shuffle: give one of them; see ./main --help");
    t.shuffled = !in_order;
    if (app.count("--csv") > 0 && o.csv.empty())
        throw InputError("--csv: expected the name of a file, found ''; see ./main --help");
    if (o.data.empty())
        throw InputError("--data: expected the name of a folder, found ''; see ./main --help");
    o.hidden = parse_sizes(hidden);
    t.scatter_once = scatter == "once";
    if (o.grade >= 1 && o.grade <= 3) apply_grade(o);
    t.pixel_scale = o.raw_pixels ? nn_real{1} : nn_real{1} / nn_real{255};
    return o;
}
