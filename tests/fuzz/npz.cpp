// npz.cpp: fuzzes the reader of NumPy's archives, as networks and as plain arrays.
//
// zip's own checksums would stop almost every changed byte. So an input is an array as it lies in
// an archive (the header of .npy and its numbers), and is also tried as the archive itself.
#include "base/npz.h"

#include <string>

#include "model/model_file.h"
#include "tests/fuzz/targets.h"
#include "tests/support/npz_bytes.h"

namespace fuzz {

namespace {

void judge_archive(std::span<const std::uint8_t> bytes) {
    accepts([&] {
        const Npz archive(bytes, "archive");
        for (const std::string& name : archive.names()) {
            const NpyArray array = archive.read(name);
            require(array.data.size() == array.header.data_bytes(), "numbers without a place");
        }
        const Model model = parse_model(bytes, "network");
        require(model.parameters.values.size() == model.parameters.layout.total(),
                "parameters without a place");
    });
}

}  // namespace

void judge_npz(std::span<const std::uint8_t> bytes) {
    judge_archive(bytes);
    const Bytes array(bytes.begin(), bytes.end());
    judge_archive(npz_bytes::zip_of(
        {{"W1.npy", array, 0, false},
         {"b1.npy", npz_bytes::npy("<f4", "(1,)", npz_bytes::bytes_of<float>({1})), 0, true}}));
}

std::vector<Bytes> npz_seeds() {
    using namespace npz_bytes;
    const Bytes matrix = npy("<f4", "(1, 2)", bytes_of<float>({1, 2}));
    const Bytes bias = npy("<f8", "(1,)", bytes_of<double>({3}));
    return {matrix, npy("<f2", "(2, 1)", {0, 0x3c, 0, 0x40}, true), bias,
            zip_of({{"W1.npy", matrix, 0, true}, {"b1.npy", bias, 0, false}}),
            zip_of({{"arr_0.npy", npy("|u1", "(1, 3)", {1, 2, 3})}, {"arr_1.npy", bias}})};
}

}  // namespace fuzz
