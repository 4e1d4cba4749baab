// test_model_file.cpp: a model file gives back what was saved, to the bit, and lies are refused.
//
// What PyTorch would write is written here by hand, byte by byte, so that the reader is not tested
// by the writer alone. Run in both builds: each reads both types.
#include "model/model_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/whole_file.h"
#include "model/initial.h"
#include "tests/support/file_fixture.h"

namespace fs = std::filesystem;

namespace {

using nlohmann::json;

/// A safetensors file of this header and data.
Bytes file_of(const std::string& header, const Bytes& data) {
    const std::uint64_t length = header.size();
    Bytes bytes(sizeof length + header.size() + data.size());
    std::memcpy(bytes.data(), &length, sizeof length);
    std::copy(header.begin(), header.end(), bytes.begin() + 8);
    std::copy(data.begin(), data.end(), bytes.end() - static_cast<std::ptrdiff_t>(data.size()));
    return bytes;
}

template <class Stored>
Bytes data_of(const std::vector<Stored>& values) {
    Bytes bytes(values.size() * sizeof(Stored));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

std::string tensor(const std::string& type, const std::string& shape, int begin, int end) {
    return R"({"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
           std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// A network of 2-1, in F32: W1 = [1.5, -2], b1 = [0.25].
const std::string good_w = "\"W1\":" + tensor("F32", "[1,2]", 0, 8);
const std::string good_b = "\"b1\":" + tensor("F32", "[1]", 8, 12);
const std::string good_header = "{" + good_w + "," + good_b + "}";
const Bytes good_data = data_of<float>({1.5f, -2, 0.25f});

Model parse(const Bytes& bytes) { return parse_model(bytes, "model"); }

void expect_header_refused(const std::string& header, const std::vector<std::string>& parts) {
    SCOPED_TRACE(header.substr(0, 300));
    expect_refusal([&] { parse(file_of(header, good_data)); }, parts);
}

/// good_header with metadata.
std::string header_with(const std::string& metadata) {
    return R"({"__metadata__":)" + metadata + "," + good_w + "," + good_b + "}";
}

Model random_model(std::vector<int> sizes, std::uint64_t seed) {
    Model model{initial_parameters<nn_real>(Layout(std::move(sizes)), seed, 0), {}};
    model.facts.seed = seed;
    model.facts.version = "1.2.3";
    return model;
}

bool same_bits(const Model& a, const Model& b) {
    return a.parameters.layout == b.parameters.layout &&
           std::memcmp(a.parameters.values.data(), b.parameters.values.data(),
                       a.parameters.values.size() * sizeof(nn_real)) == 0;
}

json header_in(const Bytes& file) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    return json::parse(file.begin() + 8, file.begin() + 8 + static_cast<std::ptrdiff_t>(length));
}

// What is written and read.

TEST(ModelFile, GivesBackEveryBitAndEveryFact) {
    TemporaryDirectory dir;
    Model model = random_model({12, 5, 3, 2}, 7);
    auto& values = model.parameters.values;
    values[0] = std::numeric_limits<nn_real>::denorm_min();
    values[1] = std::numeric_limits<nn_real>::max();
    values[2] = std::numeric_limits<nn_real>::lowest();
    values[3] = nn_real{-0.0};
    ModelFacts& facts = model.facts;
    facts.objective = {OutputLayer::sigmoid, LossFunction::mse};
    facts.rows = 3;
    facts.cols = 4;
    facts.pixel_scale = 1.0 / 3;
    facts.pictures_as_is = true;
    facts.seed = std::numeric_limits<std::uint64_t>::max();
    facts.state = {16, 123456789, std::nextafter(0.1, 1.0), {32768, 1999, 7}};
    facts.settings = R"({"hidden":[5,3],"name":"a \"word\"\nand é"})";
    facts.history = R"([{"epoch":1,"loss":0.5}])";
    save_model(dir.path / "m", model);
    const Model read = load_model(dir.path / "m");
    EXPECT_TRUE(same_bits(read, model));
    EXPECT_EQ(read.facts.objective, facts.objective);
    EXPECT_EQ(read.facts.rows, 3);
    EXPECT_EQ(read.facts.cols, 4);
    EXPECT_EQ(read.facts.pixel_scale, facts.pixel_scale);
    EXPECT_TRUE(read.facts.pictures_as_is);
    EXPECT_EQ(read.facts.seed, facts.seed);
    EXPECT_EQ(read.facts.state, facts.state);
    EXPECT_EQ(read.facts.settings, facts.settings);
    EXPECT_EQ(read.facts.history, facts.history);
    EXPECT_EQ(read.facts.version, "1.2.3");
    EXPECT_EQ(format_model(read), format_model(model)) << "and the same file again";
}

TEST(ModelFile, HasTorchsShapesAndRowsOneBehindTheOther) {
    // A 2-3-2 network whose parameters say where they belong: W_l(i, j) is 100 l + 10 i + j.
    Model model = random_model({2, 3, 2}, 1);
    Parameters<nn_real>& p = model.parameters;
    for (int l = 1; l <= 2; ++l)
        for (int i = 0; i < p.layout.size(l); ++i) {
            for (int j = 0; j < p.layout.size(l - 1); ++j)
                p.weights(l)[static_cast<std::size_t>(j * p.layout.size(l) + i)] =
                    static_cast<nn_real>(100 * l + 10 * i + j);
            p.bias(l)[static_cast<std::size_t>(i)] = static_cast<nn_real>(-100 * l - i);
        }
    const Bytes file = format_model(model);
    const std::vector<nn_real> expected{100, 101, 110, 111, 120, 121, -100, -101, -102,
                                        200, 201, 202, 210, 211, 212, -200, -201};
    const Bytes data = data_of(expected);
    ASSERT_GT(file.size(), data.size());
    const std::size_t begin = file.size() - data.size();
    EXPECT_EQ(begin % 8, 0u) << "the data is not aligned";
    EXPECT_TRUE(
        std::equal(data.begin(), data.end(), file.begin() + static_cast<std::ptrdiff_t>(begin)));
    const json header = header_in(file);
    const std::size_t w = sizeof(nn_real);
    EXPECT_EQ(header["W1"]["shape"], json({3, 2}));
    EXPECT_EQ(header["b1"]["shape"], json({3}));
    EXPECT_EQ(header["W2"]["shape"], json({2, 3}));
    EXPECT_EQ(header["b2"]["shape"], json({2}));
    EXPECT_EQ(header["W2"]["data_offsets"], json({9 * w, 15 * w}));
    EXPECT_EQ(header["W2"]["dtype"], w == 4 ? "F32" : "F64");
    EXPECT_EQ(header["__metadata__"]["sizes"], "2-3-2");
    EXPECT_EQ(header["__metadata__"]["format"], "pt");
    EXPECT_EQ(header["__metadata__"]["type"], nn_real_name);
}

TEST(ModelFile, OfAnotherProgramNeedsNoMetadata) {
    const Model model = parse(file_of(good_header, good_data));
    EXPECT_EQ(model.parameters.layout.sizes(), (std::vector<int>{2, 1}));
    EXPECT_EQ(model.parameters.values, (std::vector<nn_real>{1.5, -2, 0.25}));
    EXPECT_EQ(model.facts.objective.output, OutputLayer::sigmoid) << "one output";
    EXPECT_EQ(model.facts.state, TrainingState{});
    EXPECT_EQ(model.facts.version, "");
}

TEST(ModelFile, IsReadInEitherTypeAndInAnyOrder) {
    const std::string header = "{" + std::string("\"b1\":") + tensor("F64", "[1]", 0, 8) +
                               ",\"W1\":" + tensor("F64", "[1,2]", 8, 24) + "}   ";
    const double third = 1.0 / 3;
    const Model model = parse(file_of(header, data_of<double>({0.25, third, -2})));
    EXPECT_EQ(model.parameters.values,
              (std::vector<nn_real>{static_cast<nn_real>(third), -2, 0.25}));
}

TEST(ModelFile, TakesTorchsNamesByRisingNumber) {
    // Of a Sequential: layers 0, 2 and 10, which text would sort before 2. Two inputs, then 1 each.
    for (const std::string before : {"", "layers.", "fc"}) {
        const auto entry = [&](const std::string& name, const std::string& shape, int begin,
                               int end) {
            return "\"" + before + name + "\":" + tensor("F32", shape, begin, end);
        };
        const std::string header =
            "{" + entry("10.bias", "[1]", 0, 4) + "," + entry("10.weight", "[1,1]", 4, 8) + "," +
            entry("0.bias", "[1]", 8, 12) + "," + entry("0.weight", "[1,2]", 12, 20) + "," +
            entry("2.weight", "[1,1]", 20, 24) + "," + entry("2.bias", "[1]", 24, 28) + "}";
        const Model model = parse(file_of(header, data_of<float>({7, 6, 3, 1, 2, 4, 5})));
        EXPECT_EQ(model.parameters.layout.sizes(), (std::vector<int>{2, 1, 1, 1}));
        EXPECT_EQ(model.parameters.values, (std::vector<nn_real>{1, 2, 3, 4, 5, 6, 7}));
    }
}

TEST(ModelFile, LeavesOutAHistoryThatNoReaderWouldTake) {
    Model model = random_model({2, 1}, 1);
    model.facts.history = "[\"" + std::string(std::size_t{1} << 24, 'x') + "\"]";
    model.facts.settings = R"({"batch":24})";
    const Model read = parse(format_model(model));
    EXPECT_EQ(read.facts.history, "[]");
    EXPECT_EQ(read.facts.settings, model.facts.settings);
    EXPECT_TRUE(same_bits(read, model));
}

TEST(ModelFile, OfAModelThatIsNotFiniteIsNotWritten) {
    TemporaryDirectory dir;
    const Model good = random_model({2, 1}, 1);
    save_model(dir.path / "m", good);
    Model bad = good;
    bad.parameters.values[1] = std::numeric_limits<nn_real>::quiet_NaN();
    EXPECT_THROW(save_model(dir.path / "m", bad), Diverged);
    bad = good;
    bad.facts.state.loss = std::numeric_limits<double>::infinity();
    EXPECT_THROW(save_model(dir.path / "m", bad), Diverged);
    EXPECT_TRUE(same_bits(load_model(dir.path / "m"), good)) << "the good one was lost";
}

// What is refused.

TEST(ModelFileRefuses, AFileCutAnywhere) {
    const Bytes whole = format_model(random_model({3, 2}, 1));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        expect_refusal([&] { parse(cut); }, {"model: "});
        if (HasFailure()) FAIL() << "cut to " << size << " of " << whole.size() << " bytes";
    }
}

TEST(ModelFileRefuses, BytesBeyondTheTensors) {
    Bytes file = file_of(good_header, good_data);
    file.push_back(0);
    expect_refusal([&] { parse(file); }, {"12 bytes of data", "found 13"});
}

TEST(ModelFileRefuses, LyingLengthsBeforeItBelievesThem) {
    AllocationLimit limit(1 << 16);
    for (const std::uint64_t length :
         {std::uint64_t{1} << 25, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
        Bytes file = file_of(good_header, good_data);
        std::memcpy(file.data(), &length, 8);
        expect_refusal([&] { parse(file); }, {"at most 16777216 bytes", std::to_string(length)});
    }
    Bytes file = file_of(good_header, good_data);
    file[0] = 0xff;
    expect_refusal([&] { parse(file); }, {"255 bytes, as the first 8 bytes say"});
    const std::string huge = "4294967296";
    const std::vector<std::string> shapes{"[" + huge + ",2]", "[" + huge + "," + huge + "]",
                                          "[2147483648,2147483648,4]", "[1,3]"};
    for (const auto& shape : shapes)
        expect_header_refused("{\"W1\":" + tensor("F32", shape, 0, 8) + "," + good_b + "}",
                              {"\"W1\""});
}

TEST(ModelFileRefuses, OtherKindsOfFile) {
    Bytes zip{'P', 'K', 3, 4, 0, 0, 0, 0, 0, 0};
    expect_refusal([&] { parse(zip); }, {"a complete zip archive"});
    expect_refusal([&] { parse(Bytes(100, 'x')); }, {"header of at most"});
    expect_refusal([&] { parse({}); }, {"only 0 bytes"});
}

TEST(ModelFileRefuses, HeadersThatAreNotWhatTheyShouldBe) {
    expect_header_refused("", {"begins with {"});
    expect_header_refused(" " + good_header, {"begins with {"});
    expect_header_refused("[]", {"begins with {"});
    expect_header_refused("{" + good_w + "," + good_b, {"in JSON"});
    expect_header_refused(good_header + "x", {"in JSON", "at its byte"});
    expect_header_refused("{\"W1\":\"\xff\"}", {"in JSON"});
    expect_header_refused("{\"W1\":1e999}", {"too large"});
    expect_header_refused("{" + good_w + "," + good_w + "," + good_b + "}", {"\"W1\" twice"});
    expect_header_refused(
        "{" + good_w + "," + good_b + ",\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}",
        {"\"a\" twice"});
    expect_header_refused("{}", {"0 bytes of data", "found 12"});
    expect_refusal([] { parse(file_of("{}", {})); }, {"tensors W1, b1", "none"});
    for (const char open : {'[', '{'}) {
        std::string bomb = "{\"W1\":";
        for (int i = 0; i < 1 << 20; ++i) bomb += open == '[' ? "[" : "{\"\":";
        expect_header_refused(bomb, {"of at most 3 levels"});
    }
}

TEST(ModelFileRefuses, TensorsThatAreNotWhatTheyShouldBe) {
    const auto refused = [](const std::string& w, const std::vector<std::string>& parts) {
        expect_header_refused("{\"W1\":" + w + "," + good_b + "}", parts);
    };
    refused("[]", {"\"W1\" as a JSON object"});
    refused("{}", {"\"dtype\" of tensor \"W1\""});
    refused(tensor("I32", "[1,2]", 0, 8), {"F32, F64, F16 or BF16", "\"I32\"", "model.float()"});
    refused(tensor("F32", "[1.0,2]", 0, 8), {"\"shape\" of tensor \"W1\""});
    refused(tensor("F32", "[-1,2]", 0, 8), {"\"shape\""});
    refused(tensor("F32", "[18446744073709551616,2]", 0, 8), {"\"shape\""});
    refused(tensor("F32", "{}", 0, 8), {"\"shape\""});
    refused(tensor("F32", "[0,2]", 0, 0), {"dimension of 0"});
    refused(tensor("F32", "[]", 0, 4), {"gap"});
    refused(tensor("F32", "[2]", 0, 8), {"two dimensions of \"W1\"", "[2]"});
    refused(tensor("F32", "[1,1,2]", 0, 8), {"two dimensions of \"W1\""});
    refused(R"({"dtype":"F32","shape":[1,2]})", {"\"data_offsets\""});
    refused(R"({"dtype":"F32","shape":[1,2],"data_offsets":[0]})", {"offsets of tensor \"W1\""});
    refused(tensor("F32", "[1,2]", 8, 0), {"offsets of tensor \"W1\""});
    refused(tensor("F32", "[1,2]", 8, 16), {"offsets of tensor \"W1\""});
    refused(tensor("F32", "[1,2]", 4, 12), {"gap"});
    refused(tensor("F32", "[1,1]", 0, 4), {"gap before \"b1\""});
    refused(tensor("F32", "[1,3]", 0, 12), {"overlap before"});
    refused(tensor("F32", "[1,2]", 0, 4), {"8 bytes for tensor \"W1\"", "found 4"});
}

TEST(ModelFileRefuses, NetworksThatAreNone) {
    const auto two = [](const std::string& first, const std::string& second) {
        return "{\"" + first + "\":" + tensor("F32", "[1,2]", 0, 8) + ",\"" + second +
               "\":" + tensor("F32", "[1]", 8, 12) + "}";
    };
    expect_header_refused(two("W1", "b2"), {"a weight and a bias", "only \"W1\""});
    expect_header_refused(two("W2", "b2"), {"expected layer 1", "\"W2\""});
    expect_header_refused(two("W1", "W01"), {"\"W1\" and \"W01\""});
    expect_header_refused(two("W1", "0.bias"), {"\"0.bias\""});
    expect_header_refused(two("0.weight", "0.running_mean"), {"\"0.running_mean\""});
    expect_header_refused(two("W1", "b99999999999"), {"\"b99999999999\""});
    expect_header_refused(two("fc.weights", "fc.scale"), {"\"fc.scale\""});
    expect_header_refused(two("W1", "\\n\\u001b[31m"), {"\"??[31m\""});
    const std::string unlike = "{" + good_w + "," + good_b +
                               ",\"W2\":" + tensor("F32", "[1,3]", 12, 24) +
                               ",\"b2\":" + tensor("F32", "[1]", 24, 28) + "}";
    expect_refusal([&] { parse(file_of(unlike, Bytes(28))); }, {"1 inputs of \"W2\"", "[1, 3]"});
}

TEST(ModelFileRefuses, NumbersThatAreNotFiniteInThisType) {
    const auto with = [](double value) {
        const std::string header = "{\"W1\":" + tensor("F64", "[1,2]", 0, 16) +
                                   ",\"b1\":" + tensor("F64", "[1]", 16, 24) + "}";
        return file_of(header, data_of<double>({1, value, 1}));
    };
    constexpr double inf = std::numeric_limits<double>::infinity();
    expect_refusal([&] { parse(with(std::nan(""))); }, {"NaN in \"W1\" at index 1"});
    expect_refusal([&] { parse(with(inf)); }, {"infinity in \"W1\""});
    expect_refusal([&] { parse(with(-inf)); }, {"infinity in \"W1\""});
    if (sizeof(nn_real) == 4)
        expect_refusal([&] { parse(with(-1e39)); }, {"float", "a larger one in \"W1\""});
    else
        EXPECT_EQ(parse(with(-1e39)).parameters.values[1], static_cast<nn_real>(-1e39));
}

TEST(ModelFileRefuses, MetadataThatMeansNothing) {
    const auto refused = [](const std::string& metadata, const std::vector<std::string>& parts) {
        expect_header_refused(header_with(metadata), parts);
    };
    EXPECT_NO_THROW(parse(file_of(header_with(R"({"anything":"else"})"), good_data)));
    refused("[]", {"metadata as a JSON object"});
    refused(R"({"epoch":3})", {"metadata of strings", "\"epoch\""});
    refused(R"({"sizes":"2-2"})", {"2-1", "\"2-2\""});
    refused(R"({"output":"relu"})", {"\"output\"", "\"relu\""});
    refused(R"({"loss":"0.5"})", {"\"loss\"", "\"0.5\""});
    refused(R"({"rows":"1"})", {"rows x cols", "2 inputs", "1 x 0"});
    refused(R"({"rows":"2147483647","cols":"2147483647"})", {"rows x cols"});
    for (const char* key : {"rows", "epoch", "step", "seed"})
        for (const char* value : {"-1", "99999999999999999999", "1.5", "", "1 "})
            refused(R"({")" + std::string(key) + R"(":")" + value + R"("})",
                    {"\"" + std::string(key) + "\" to be a number"});
    for (const char* value : {"nan", "inf", "1e999", "1,5", ""}) {
        refused(R"({"epoch_loss":")" + std::string(value) + R"("})", {"\"epoch_loss\""});
        refused(R"({"pixel_scale":")" + std::string(value) + R"("})", {"\"pixel_scale\""});
    }
    refused(R"({"pixel_scale":"0"})", {"\"pixel_scale\""});
    for (const char* scale : {"[1]", "[3,0,0]", "[0.5,0,0]", "[2,-1,0]", "[\\\"2\\\",0,0]"})
        refused(R"({"loss_scale":")" + std::string(scale) + R"("})", {"\"loss_scale\""});
    refused(R"({"settings":"[]"})", {"\"settings\"", "a JSON object"});
    refused(R"({"settings":"{"})", {"\"settings\"", "in JSON"});
    refused(R"({"history":"{}"})", {"\"history\"", "a JSON array"});
    refused(R"({"history":"[[[[[[[[[[]]]]]]]]]]"})", {"\"history\"", "8 levels"});
}

// Files.

TEST(ModelFileOnDisk, IsRefusedWhereItIsNone) {
    TemporaryDirectory dir;
    expect_refusal([&] { load_model(dir.path / "none"); }, {"none", "no such file; check"});
    expect_refusal([&] { load_model(dir.path); }, {"a directory"});
    ASSERT_EQ(mkfifo((dir.path / "pipe").c_str(), 0666), 0);
    expect_refusal([&] { load_model(dir.path / "pipe"); }, {"a pipe or a device"});
    const Model model = random_model({2, 1}, 1);
    expect_refusal([&] { save_model(dir.path / "no" / "m", model); },
                   {"can be made", "found no such folder; give a name"});
    expect_refusal([&] { save_model(dir.path, model); }, {"can be made", "a directory"});
    expect_refusal([&] { save_model("/dev/null", model); }, {"/dev/null", "a device"});
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(ModelFileOnDisk, OfHugeSizeThatIsNoModelIsNotReadInto) {
    TemporaryDirectory dir;
    const fs::path file = dir.write("video", Bytes(16, 'v'));
    fs::resize_file(file, std::uintmax_t{1} << 40);
    AllocationLimit limit(1 << 16);
    expect_refusal([&] { load_model(file); }, {"header of at most"});
}

TEST(ModelFileOnDisk, GoesThroughASymbolicLink) {
    TemporaryDirectory dir;
    fs::create_directory(dir.path / "far");
    fs::create_symlink("far/m", dir.path / "link");
    dir.write("far/m", {1});
    const Model model = random_model({2, 1}, 1);
    save_model(dir.path / "link", model);
    EXPECT_TRUE(fs::is_symlink(dir.path / "link"));
    EXPECT_TRUE(same_bits(load_model(dir.path / "far" / "m"), model));
}

/// Runs `action` in a process of its own. Returns that process.
pid_t start(const std::function<void()>& action) {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child > 0) return child;
    try {
        action();
    } catch (...) {
        _exit(1);
    }
    _exit(0);
}

std::size_t files_in(const fs::path& dir) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(dir), fs::directory_iterator()));
}

TEST(ModelFileOnDisk, StaysWhatItWasWhenTheDiskIsFull) {
    TemporaryDirectory dir;
    const Model before = random_model({100, 100}, 1), after = random_model({100, 100}, 2);
    save_model(dir.path / "m", before);
    const pid_t child = start([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit small{10000, 10000};  // bytes of a file; beyond that write() fails
        setrlimit(RLIMIT_FSIZE, &small);
        try {
            save_model(dir.path / "m", after);
        } catch (const Failure& failure) {
            const bool told =
                std::string(failure.what()).find("File too large") != std::string::npos;
            _exit(told ? 7 : 8);
        }
    });
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7) << "should have been a Failure that says why";
    EXPECT_TRUE(same_bits(load_model(dir.path / "m"), before));
    EXPECT_EQ(files_in(dir.path), 1u) << "something half written is left";
}

TEST(ModelFileOnDisk, IsReadableWheneverItsWriterIsKilled) {
    TemporaryDirectory dir;
    const Model one = random_model({200, 200, 10}, 1), two = random_model({200, 200, 10}, 2);
    save_model(dir.path / "m", one);
    Rng rng(1);
    int half_written = 0, kills = 30;
    for (int i = 0; i < kills; ++i) {
        const pid_t child = start([&] {
            for (;;) {
                save_model(dir.path / "m", two);
                save_model(dir.path / "m", one);
            }
        });
        usleep(static_cast<useconds_t>(1000 + rng.below(9000)));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the writer has ended by itself";
        const std::size_t files = files_in(dir.path);
        half_written += files > 1;
        ASSERT_LE(files, 2u) << "what earlier kills left is not cleared away";
        const Model read = load_model(dir.path / "m");
        ASSERT_TRUE(same_bits(read, one) || same_bits(read, two)) << "kill " << i;
    }
    EXPECT_GT(half_written, 0) << "no kill came in the middle of a file: nothing was tested";
    save_model(dir.path / "m", one);
    EXPECT_EQ(files_in(dir.path), 1u);
}

TEST(HalfWritten, IsRemovedWhenItsWriterIsGoneOrItIsOld) {
    TemporaryDirectory dir;
    const pid_t gone = start([] {});
    int status = 0;
    waitpid(gone, &status, 0);
    char host[256] = {};
    ASSERT_EQ(gethostname(host, sizeof host - 1), 0);
    const auto temporary = [&](const std::string& name, pid_t writer, const std::string& where) {
        return dir.write(name + ".tmp-" + std::to_string(writer) + "-" + where, {1});
    };
    const auto dead = temporary("m1", gone, host), alive = temporary("m2", getpid(), host);
    const auto far = temporary("m3", gone, "elsewhere"), old = temporary("m4", gone, "elsewhere");
    const auto other = temporary("other", gone, host), mine = dir.write("m", {1});
    fs::last_write_time(old, fs::last_write_time(old) - std::chrono::minutes(61));
    remove_half_written(dir.path, "m");
    EXPECT_FALSE(fs::exists(dead));
    EXPECT_FALSE(fs::exists(old));
    EXPECT_TRUE(fs::exists(alive)) << "its writer is alive";
    EXPECT_TRUE(fs::exists(far)) << "its writer may be alive on its machine";
    EXPECT_TRUE(fs::exists(other)) << "of another name";
    EXPECT_TRUE(fs::exists(mine)) << "a file that is whole";
}

}  // namespace
