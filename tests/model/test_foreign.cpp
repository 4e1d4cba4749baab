// test_foreign.cpp: networks of other programs are read under their usual names and directions, and
// what was done to their inputs is folded into the first layer.
//
// Most networks here are of 2-3-1 with weights that say where they belong: W_l(i, j) is 100 l + 10
// i
// + j, and b_l(i) is -100 l - i.
#include "model/foreign.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/npz.h"
#include "model/model_file.h"
#include "model/safetensors.h"
#include "tests/support/file_fixture.h"
#include "tests/support/npz_bytes.h"

using namespace npz_bytes;

namespace {

struct Matrix {
    std::string name;
    std::vector<int> shape;
    std::vector<float> values;
};

Matrix weight(const std::string& name, int l, int outputs, int inputs, bool in_out = false) {
    Matrix m{name, in_out ? std::vector{inputs, outputs} : std::vector{outputs, inputs}, {}};
    for (int r = 0; r < m.shape[0]; ++r)
        for (int c = 0; c < m.shape[1]; ++c)
            m.values.push_back(static_cast<float>(100 * l + (in_out ? 10 * c + r : 10 * r + c)));
    return m;
}
Matrix bias(const std::string& name, int l, int outputs) {
    Matrix m{name, {outputs}, {}};
    for (int i = 0; i < outputs; ++i) m.values.push_back(static_cast<float>(-100 * l - i));
    return m;
}

Bytes safetensors_of(const std::vector<Matrix>& all,
                     const std::vector<std::pair<std::string, std::string>>& metadata = {}) {
    std::vector<Tensor> tensors;
    Bytes data;
    for (const Matrix& m : all) {
        const Bytes bytes = npz_bytes::bytes_of(m.values);
        tensors.push_back({m.name,
                           StoredType::f32,
                           {m.shape.begin(), m.shape.end()},
                           data.size(),
                           data.size() + bytes.size()});
        data.insert(data.end(), bytes.begin(), bytes.end());
    }
    const std::string header = safetensors_header(metadata, tensors);
    Bytes file(header.begin(), header.end());
    file.insert(file.end(), data.begin(), data.end());
    return file;
}
Bytes npz_of(const std::vector<Matrix>& all) {
    std::vector<Entry> entries;
    for (const Matrix& m : all) {
        std::string shape = "(";
        for (const int extent : m.shape) shape += std::to_string(extent) + ",";
        entries.push_back(
            {m.name + ".npy", npy("<f4", shape + ")", npz_bytes::bytes_of(m.values)), 0, true});
    }
    return zip_of(entries);
}

Model read(const Bytes& bytes, const ForeignFacts& said = {}) {
    return parse_model(bytes, "net", said);
}
void expect_refused(const Bytes& bytes, const std::vector<std::string>& parts,
                    const ForeignFacts& said = {}) {
    expect_refusal([&] { read(bytes, said); }, parts);
}

/// Columns of W1, b1, W2, b2.
const std::vector<nn_real> values_2_3_1{100,  110,  120, 101, 111, 121, -100,
                                        -101, -102, 200, 201, 202, -200};

std::vector<Matrix> network(const std::vector<std::string>& names, bool in_out = false) {
    return {weight(names[0], 1, 3, 2, in_out), bias(names[1], 1, 3),
            weight(names[2], 2, 1, 3, in_out), bias(names[3], 2, 1)};
}

}  // namespace

TEST(Foreign, NamesOfEveryUsualKindAreTheSameNetwork) {
    const std::vector<std::vector<std::string>> usual{
        {"W1", "b1", "W2", "b2"},
        {"w1", "b1", "w2", "b2"},
        {"W_0", "b_0", "W_1", "b_1"},
        {"0.weight", "0.bias", "2.weight", "2.bias"},
        {"layers.9.weight", "layers.9.bias", "layers.10.weight", "layers.10.bias"},
        {"model.net.fc1.weight", "model.net.fc1.bias", "model.net.fc2.weight",
         "model.net.fc2.bias"},
        {"fc1.weight", "fc1.bias", "out.weight", "out.bias"},
        {"hidden.weight", "hidden.bias", "a_first.weight", "a_first.bias"},
        {"fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"},
        {"dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"},
        {"dense/kernel:0", "dense/bias:0", "dense_1/kernel:0", "dense_1/bias:0"},
        {"layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0",
         "layers/dense_1/vars/1"},
        {"params/Dense_0/kernel", "params/Dense_0/bias", "params/Dense_1/kernel",
         "params/Dense_1/bias"},
        {"coefs_0", "intercepts_0", "coefs_1", "intercepts_1"},
        {"arr_0", "arr_1", "arr_2", "arr_3"}};
    for (const auto& names : usual)
        for (const bool in_out : {false, true}) {
            SCOPED_TRACE(names[0] + (in_out ? ", inputs x outputs" : ", outputs x inputs"));
            std::vector<Matrix> tensors = network(names, in_out);
            std::swap(tensors[0], tensors[2]);  // the file's order says nothing
            for (const Bytes& file : {safetensors_of(tensors), npz_of(tensors)}) {
                const Model model = read(file);
                EXPECT_EQ(model.parameters.layout.sizes(), (std::vector<int>{2, 3, 1}));
                EXPECT_EQ(model.parameters.values, values_2_3_1);
                EXPECT_EQ(model.tensors[2].name, names[2]);
            }
        }
}

TEST(Foreign, SquareLayersLieAsTheFirstThatIsNot) {
    const auto squares = [](bool in_out) {
        return std::vector{weight("0.weight", 1, 2, 2, in_out), bias("0.bias", 1, 2),
                           weight("1.weight", 2, 1, 2, in_out), bias("1.bias", 2, 1)};
    };
    for (const bool in_out : {false, true})
        EXPECT_EQ(read(safetensors_of(squares(in_out))).parameters.values,
                  (std::vector<nn_real>{100, 110, 101, 111, -100, -101, 200, 201, -200}));
    expect_refused(safetensors_of(squares(true)), {"matrices that lie out-in", "\"1.weight\""},
                   {.kernels = Kernels::out_in});
}

TEST(Foreign, SquareLayersAloneNeedToBeToldHowTheyLie) {
    const Bytes file = safetensors_of({weight("fc.weight", 1, 2, 2), bias("fc.bias", 1, 2)});
    expect_refused(file, {"not square", "--kernels out-in"});
    EXPECT_EQ(read(file, {.kernels = Kernels::out_in}).parameters.values,
              (std::vector<nn_real>{100, 110, 101, 111, -100, -101}));
    EXPECT_EQ(read(file, {.kernels = Kernels::in_out}).parameters.values,
              (std::vector<nn_real>{100, 101, 110, 111, -100, -101}));
}

TEST(Foreign, AnOrderThatIsNotClearIsRefused) {
    std::vector<Matrix> tensors;
    for (const std::string name : {"first", "second", "third"}) {
        const int l = static_cast<int>(tensors.size()) / 2 + 1, inputs = l == 1 ? 3 : 2;
        tensors.push_back(weight(name + ".weight", l, 2, inputs));
        tensors.push_back(bias(name + ".bias", l, 2));
    }
    expect_refused(safetensors_of(tensors), {"in one order alone", "number the layers"});
    for (std::size_t i = 0; i < 6; ++i)
        tensors[i].name = "fc" + std::to_string(i / 2 + 1) + (i % 2 == 0 ? ".weight" : ".bias");
    EXPECT_EQ(read(safetensors_of(tensors)).parameters.layout.sizes(),
              (std::vector<int>{3, 2, 2, 2}));
    tensors[4].name = "fc4.weight", tensors[5].name = "fc4.bias";
    EXPECT_NO_THROW(read(safetensors_of(tensors))) << "a Sequential leaves numbers out";
    for (std::size_t i = 0; i < 6; ++i)
        tensors[i].name =
            (i % 2 == 0 ? "W" : "b") + std::to_string(i == 4 || i == 5 ? 4 : i / 2 + 1);
    expect_refused(safetensors_of(tensors), {"expected layer 3", "\"W4\""});
}

TEST(Foreign, InputsAreFoldedIntoTheFirstLayerInDouble) {
    const Bytes file = safetensors_of(network({"W1", "b1", "W2", "b2"}));
    const ForeignFacts said{.mean = {0.1307}, .std = {0.3081}};
    const Model plain = read(file), folded = read(file, said);
    const auto w = plain.parameters.weights(1), b = plain.parameters.bias(1);
    for (std::size_t i = 0; i < 3; ++i) {
        double sum = static_cast<double>(b[i]);
        for (std::size_t j = 0; j < 2; ++j) {
            EXPECT_NEAR(folded.parameters.weights(1)[j * 3 + i],
                        static_cast<nn_real>(static_cast<double>(w[j * 3 + i]) / 0.3081),
                        1e-15 * static_cast<double>(w[j * 3 + i]) * 4);
            sum -= static_cast<double>(w[j * 3 + i]) * 0.1307 / 0.3081;
        }
        EXPECT_NEAR(folded.parameters.bias(1)[i], static_cast<nn_real>(sum), 1e-12);
    }
    EXPECT_EQ(folded.parameters.weights(2)[0], plain.parameters.weights(2)[0]);
}

TEST(Foreign, TheFoldedNetworkGivesTheSameSums) {
    const Bytes file = safetensors_of(network({"W1", "b1", "W2", "b2"}));
    const Model plain = read(file);
    const double x[] = {0.25, 0.75};
    const auto sum = [](const Model& model, std::size_t i, const double* inputs) {
        double z = static_cast<double>(model.parameters.bias(1)[i]);
        for (std::size_t j = 0; j < 2; ++j)
            z += static_cast<double>(model.parameters.weights(1)[j * 3 + i]) * inputs[j];
        return z;
    };
    struct Case {
        ForeignFacts said;
        double seen[2];  ///< what the network was trained on in place of x
        double white = 1;
    };
    for (const Case& c :
         {Case{{.mean = {0.5}, .std = {0.25}}, {-1, 1}},
          Case{{.mean = {0.5, 0.25}, .std = {0.25, 0.5}}, {-1, 1}},
          Case{{.invert = true}, {0.75, 0.25}},
          Case{{.mean = {0.5}, .std = {0.5}, .invert = true}, {0.5, -0.5}},
          Case{{.mean = {0.5}}, {-0.25, 0.25}}, Case{{.raw_pixels = true}, {63.75, 191.25}, 255},
          Case{{.invert = true, .raw_pixels = true}, {191.25, 63.75}, 255}}) {
        const Model folded = read(file, c.said);
        const double inputs[] = {x[0] * c.white, x[1] * c.white};
        for (std::size_t i = 0; i < 3; ++i)
            EXPECT_NEAR(sum(folded, i, inputs), sum(plain, i, c.seen), 0.02) << "unit " << i;
        EXPECT_EQ(folded.facts.pixel_scale, c.white == 1 ? 1.0 / 255 : 1.0);
    }
}

TEST(Foreign, WhatTheFileDoesNotSayIsANoteUntilItIsSaid) {
    const Bytes file = safetensors_of(network({"W1", "b1", "W2", "b2"}));
    const auto notes = [&](const ForeignFacts& said) { return read(file, said).notes; };
    ASSERT_EQ(notes({}).size(), 2u);
    EXPECT_NE(notes({})[0].find("does not say its activation: taken as sigmoid"),
              std::string::npos);
    EXPECT_NE(notes({})[1].find("taken as pixel / 255"), std::string::npos);
    EXPECT_EQ(notes({.activation = Relu{}}).size(), 1u);
    EXPECT_TRUE(notes({.activation = Relu{}, .mean = {0}, .std = {1}}).empty());
    EXPECT_TRUE(notes({.activation = Relu{}, .invert = true}).empty());
    // An imported file keeps the note.
    Model imported = read(file, {.activation = Relu{}});
    imported.facts.version = "1";
    EXPECT_EQ(parse_model(format_model(imported), "ours").notes.size(), 1u);
    EXPECT_EQ(parse_model(format_model(imported), "ours").facts.activation, Activation(Relu{}));
}

TEST(Foreign, MetadataCountAndMustNotContradictTheFlags) {
    const auto file = [](const std::vector<std::pair<std::string, std::string>>& metadata) {
        return safetensors_of(network({"W1", "b1", "W2", "b2"}), metadata);
    };
    const Bytes relu = file({{"activation", "relu"}, {"input_mean", "[0.5]"}, {"input_std", "2"}});
    EXPECT_EQ(read(relu).facts.activation, Activation(Relu{}));
    EXPECT_TRUE(read(relu).notes.empty());
    EXPECT_EQ(read(relu).parameters.values,
              read(file({}), {.mean = {0.5}, .std = {2}}).parameters.values);
    expect_refused(relu, {"--activation tanh", "\"relu\""}, {.activation = Tanh{}});
    expect_refused(relu, {"--input-mean"}, {.mean = {0.25}});
    expect_refused(relu, {"--input-std"}, {.std = {1}});
    EXPECT_NO_THROW(read(relu, {.activation = Relu{}, .mean = {0.5}, .std = {2}}));
    expect_refused(file({{"activation", "gelu"}}), {"\"activation\"", "\"gelu\""});
    expect_refused(file({{"input_std", "many"}}), {"\"input_std\"", "\"many\""});
    Model ours = read(file({}));
    ours.facts.version = "1";
    expect_refused(format_model(ours), {"a file of ./main"}, {.mean = {0.5}});
    expect_refused(format_model(ours), {"a file of ./main"}, {.activation = Relu{}});
    EXPECT_NO_THROW(read(format_model(ours), {.activation = Sigmoid{}}));
}

TEST(Foreign, NumbersThatCannotBeAreRefused) {
    const Bytes file = safetensors_of(network({"W1", "b1", "W2", "b2"}));
    expect_refused(file, {"--input-std above 0"}, {.std = {0}});
    expect_refused(file, {"--input-std above 0"}, {.std = {1, -1}});
    expect_refused(file, {"one for each of the 2 inputs", "found 3"}, {.mean = {1, 2, 3}});
    if (sizeof(nn_real) == 4) expect_refused(file, {"--input-std is too small"}, {.std = {1e-38}});
}

TEST(Foreign, OtherFormatsAreNamedWithTheLinesThatConvertThem) {
    const auto refused = [](const std::string& name, const std::string& bytes,
                            const std::vector<std::string>& parts) {
        SCOPED_TRACE(name);
        const Bytes file(bytes.begin(), bytes.end());
        expect_refusal([&] { parse_model(file, name, {}); }, parts);
    };
    const auto zip = [](const std::string& entry) {
        const Bytes bytes = zip_of({{entry, {1, 2, 3}}});
        return std::string(bytes.begin(), bytes.end());
    };
    refused("dir/net.pth", zip("net/data.pkl"),
            {"PyTorch's own file", "save_file(torch.load('dir/net.pth'", "'dir/net.safetensors'"});
    refused("net.pt", "\x80\x02\x8a", {"old versions of torch.save()", "torch.load('net.pt'"});
    refused("net.h5", "\x89HDF\r\n\x1a\n12", {"HDF5", "load_model('net.h5').get_weights()"});
    refused("net.keras", zip("model.weights.h5"), {"Keras", "load_model('net.keras')"});
    refused("net.onnx", "\x08\x07\x12\x07pytorch", {"ONNX", "onnx.load('net.onnx')"});
    refused("w.npy", "\x93NUMPY", {"one NumPy array", "numpy.savez"});
    refused("net.safetensors", "<!DOCTYPE html><html>", {"a web page"});
    refused("net.safetensors", "version https://git-lfs.github.com/spec/v1\noid", {"Git LFS"});
}

TEST(Foreign, AHeadersLengthIsNotTakenForAnotherFormat) {
    const auto tensors = network({"W1", "b1", "W2", "b2"});
    const std::size_t shortest =
        safetensors_of(tensors, {{"x", ""}}).size() - 13 * sizeof(float) - length_bytes;
    // As little endian numbers: gzip's, zip's, a pickle's, a PNG picture's and bzip2's first bytes.
    for (const std::size_t length : {0x8b1fu, 0x4b50u, 0x0280u, 0x0480u, 0x5089u, 0x5a42u}) {
        Bytes file = safetensors_of(tensors, {{"x", std::string(length - shortest, 'x')}});
        for (int spaces = 0; spaces < 16; ++spaces) {  // to the very length
            std::uint64_t now = 0;
            std::memcpy(&now, file.data(), length_bytes);
            if (now == length) break;
            const auto end = file.begin() + static_cast<std::ptrdiff_t>(length_bytes + now);
            now < length ? file.insert(end, ' ') : file.erase(end - 1);
            now += now < length ? 1 : -1;
            std::memcpy(file.data(), &now, length_bytes);
        }
        ASSERT_EQ(file[0] + 256u * file[1], length);
        EXPECT_EQ(read(file).parameters.values, values_2_3_1) << length;
    }
}

TEST(Checksum, NoFlippedBitGivesAnotherNetwork) {
    Model model = read(safetensors_of(network({"W1", "b1", "W2", "b2"})));
    model.facts.version = "1";
    model.facts.pixel_scale = 0.125;
    model.facts.activation = Tanh{};
    const Bytes file = format_model(model);
    const Model good = parse_model(file, "good");
    for (std::size_t i = 0; i < 8 * file.size(); ++i) {
        Bytes flipped = file;
        flipped[i / 8] ^= static_cast<std::uint8_t>(1 << i % 8);
        try {
            const Model read = parse_model(flipped, "flipped");
            ASSERT_EQ(read.parameters.values, good.parameters.values) << "bit " << i;
            ASSERT_EQ(read.facts.pixel_scale, good.facts.pixel_scale) << "bit " << i;
            ASSERT_EQ(read.facts.activation, good.facts.activation) << "bit " << i;
            ASSERT_EQ(read.facts.objective, good.facts.objective) << "bit " << i;
        } catch (const InputError&) {
        }
    }
    Bytes flipped = file;
    flipped.back() ^= 1;
    expect_refusal([&] { parse_model(flipped, "m"); }, {"checksum", "damaged"});
}

TEST(Checksum, OfAFileWrittenAnewInAnotherOrderStays) {
    Model model = read(safetensors_of(network({"W1", "b1", "W2", "b2"})));
    model.facts.version = "1";
    const Bytes file = format_model(model);
    const TensorFile parsed = parse_tensor_file(file, {"m"});
    std::vector<Tensor> tensors(parsed.tensors.rbegin(), parsed.tensors.rend());
    Bytes data;
    for (Tensor& tensor : tensors) {
        const auto bytes = parsed.data.subspan(tensor.begin, tensor.end - tensor.begin);
        tensor.begin = data.size();
        data.insert(data.end(), bytes.begin(), bytes.end());
        tensor.end = data.size();
    }
    const std::string header =
        safetensors_header({parsed.metadata.rbegin(), parsed.metadata.rend()}, tensors);
    Bytes again(header.begin(), header.end());
    again.insert(again.end(), data.begin(), data.end());
    EXPECT_EQ(parse_model(again, "m").parameters.values, model.parameters.values);
}
