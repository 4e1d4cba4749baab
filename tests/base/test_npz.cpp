// test_npz.cpp: NumPy's arrays are read as NumPy means them, and lies cost no memory.
#include "base/npz.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/file_fixture.h"
#include "tests/support/npz_bytes.h"

using namespace npz_bytes;

namespace {

NpyHeader header_of(const std::string& dictionary, int major = 1) {
    return parse_npy_header(npy_of(dictionary, {}, major), "array");
}
void expect_refused(const std::string& dictionary, const std::vector<std::string>& parts) {
    SCOPED_TRACE(dictionary);
    expect_refusal([&] { header_of(dictionary); }, parts);
}
const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

NpyArray read_alone(const Bytes& zip, const std::string& name = "a") {
    return Npz(zip, "z.npz").read(name);
}

}  // namespace

TEST(StoredType, EveryTypeIsWidenedExactly) {
    const auto value = [](StoredType type, const Bytes& bytes) {
        return number_at(bytes, type, 0);
    };
    using enum StoredType;
    EXPECT_EQ(value(f16, {0x00, 0x3c}), 1);
    EXPECT_EQ(value(f16, {0x01, 0x00}), std::ldexp(1, -24)) << "the least above 0";
    EXPECT_EQ(value(f16, {0xff, 0x03}), std::ldexp(1023, -24)) << "the largest without a leading 1";
    EXPECT_EQ(value(f16, {0x00, 0x04}), std::ldexp(1, -14));
    EXPECT_EQ(value(f16, {0xff, 0xfb}), -65504) << "the lowest";
    EXPECT_EQ(value(f16, {0x00, 0xfc}), -std::numeric_limits<double>::infinity());
    EXPECT_TRUE(std::isnan(value(f16, {0x01, 0x7c})));
    EXPECT_TRUE(std::signbit(value(f16, {0x00, 0x80})));
    EXPECT_EQ(value(bf16, {0x80, 0x3f}), 1);
    EXPECT_EQ(value(bf16, {0x49, 0xc0}), -3.140625);
    EXPECT_TRUE(std::isnan(value(bf16, {0xc0, 0x7f})));
    EXPECT_EQ(value(u8, {0xff}), 255);
    EXPECT_EQ(value(i8, {0xff}), -1);
    EXPECT_EQ(value(u16, {0x00, 0x80}), 32768);
    EXPECT_EQ(value(i16, {0x00, 0x80}), -32768);
    EXPECT_EQ(value(u32, {0, 0, 0, 0x80}), 2147483648.0);
    EXPECT_EQ(value(i32, {0, 0, 0, 0x80}), -2147483648.0);
    EXPECT_EQ(value(u64, {0, 0, 0, 0, 1, 0, 0, 0}), 4294967296.0);
    EXPECT_EQ(value(i64, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), -2);
    EXPECT_EQ(number_at(npz_bytes::bytes_of<float>({0.5f, 0.1f}), f32, 1), double{0.1f});
    EXPECT_EQ(number_at(npz_bytes::bytes_of<double>({0.1}), f64, 0), 0.1);
}

TEST(Npy, AHeaderOfEachVersionIsRead) {
    for (const int major : {1, 2, 3}) {
        const NpyHeader header = header_of(good, major);
        EXPECT_EQ(header.type, StoredType::f32);
        EXPECT_EQ(header.shape, (std::vector<std::uint64_t>{2, 3}));
        EXPECT_FALSE(header.first_index_fastest);
        EXPECT_EQ(header.elements, 6u);
        EXPECT_EQ(header.data_begin, (major == 1 ? 10 : 12) + good.size() + 1);
    }
    EXPECT_TRUE(header_of("{'shape':(),\"fortran_order\":True,'descr':'|u1'}").shape.empty());
    EXPECT_EQ(header_of("{'descr': '<i8', 'fortran_order': True, 'shape': (7,), }").shape,
              (std::vector<std::uint64_t>{7}));
}

TEST(Npy, OtherTypesAreRefusedByName) {
    const auto of_type = [](const std::string& descr) {
        return "{'descr': " + descr + ", 'fortran_order': False, 'shape': (2,), }";
    };
    expect_refused(of_type("'>f4'"), {"'>f4'", "big endian", "astype('float32')"});
    expect_refused(of_type("'|O'"), {"'|O'", "Python objects", "never read"});
    expect_refused(of_type("'|b1'"), {"truth values"});
    expect_refused(of_type("'<c8'"), {"'<c8'"});
    expect_refused(of_type("'<V2'"), {"bfloat16"});
    expect_refused(of_type("'<U5'"), {"'<U5'"});
    expect_refused(of_type("[('x', '<f4')]"), {"structured"});
}

TEST(Npy, AHeaderIsParsedAndNeverTakenOnTrust) {
    for (const std::string bad :
         {"", "{}", "{'descr': '<f4'}", "[1]", "{'descr': '<f4', 'fortran_order': False}",
          "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os')}",
          "{'descr': '<f4, 'fortran_order': False}", "{'descr': '<f4', 'x': False, 'shape': (2,)}",
          "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"})
        expect_refused(bad, {"the header of a NumPy array"});
    for (const std::string huge : {"(1099511627777,)", "(4294967296, 4294967296)",
                                   "(18446744073709551615, 2)", "(4294967296, 4294967296, 0)"})
        expect_refused("{'descr': '<f4', 'fortran_order': False, 'shape': " + huge + "}",
                       {"at most 2^40"});
    Bytes bytes = npy_of(good, {});
    for (std::size_t size = 0; size < bytes.size(); ++size)
        expect_refusal([&] { parse_npy_header(std::span(bytes).first(size), "array"); }, {"array"});
    bytes[6] = 4;
    expect_refusal([&] { parse_npy_header(bytes, "array"); }, {"version 4.0"});
}

TEST(Npz, ArraysComeOutAsTheyWentIn) {
    const Bytes numbers = npz_bytes::bytes_of<float>({1, 2, 3, 4, 5, 6}), zeros(100000);
    for (const bool packed : {false, true}) {
        const Bytes zip = zip_of({{"W1.npy", npy("<f4", "(2, 3)", numbers), 0, packed},
                                  {"x/y.npy", npy("|u1", "(10, 10000)", zeros, true), 0, packed}});
        const Npz archive(zip, "z.npz");
        EXPECT_EQ(archive.names(), (std::vector<std::string>{"W1", "x/y"}));
        EXPECT_EQ(archive.read("W1").data, numbers);
        EXPECT_EQ(archive.read("x/y").data, zeros);
        EXPECT_TRUE(archive.read("x/y").header.first_index_fastest);
    }
}

TEST(Npz, SizesThatLieAreRefusedBeforeMemoryIsTaken) {
    AllocationLimit limit(std::size_t{1} << 22);
    const Bytes zeros(1000), honest = npy("|u1", "(1000,)", zeros);
    const auto refused = [](const Bytes& zip, const std::vector<std::string>& parts) {
        expect_refusal([&] { read_alone(zip); }, parts);
    };
    // The shape promises a terabyte; the directory, almost 4 GiB.
    refused(zip_of({{"a.npy", npy("|u1", "(1000000000000,)", zeros)}}), {"more than 4 GiB"});
    refused(zip_of({{"a.npy", npy("|u1", "(1000000000,)", zeros)}}), {"only 1000 bytes"});
    refused(zip_of({{"a.npy", honest, 0xfffffff0u, true}}), {"found 4294967280"});
    refused(zip_of({{"a.npy", npy("|u1", "(999,)", zeros)}}), {"more than 999 bytes"});
}

TEST(Npz, AFullBombIsRefusedByItsDirectory) {
    // Of ten such arrays, each promises what deflate could just pack into its bytes.
    const Bytes packed(std::size_t{1} << 19);
    std::vector<Entry> entries;
    for (int i = 0; i < 10; ++i)
        entries.push_back({"a" + std::to_string(i) + ".npy", packed, (1u << 29) - 1, true});
    const Bytes small = zip_of(entries);
    expect_refusal([&] { Npz(small, "z.npz"); }, {"z.npz"});
}

TEST(Npz, DamageIsFound) {
    const Bytes zip =
        zip_of({{"a.npy", npy("<f4", "(2,)", npz_bytes::bytes_of<float>({1, 2})), 0, false}});
    for (std::size_t size = 0; size < zip.size(); ++size)
        expect_refusal(
            [&] {
                read_alone({zip.begin(), zip.begin() + static_cast<long>(size)});
            },
            {"z.npz"});
    const std::string text(zip.begin(), zip.end());
    Bytes flipped = zip;
    flipped[text.find('\n') + 3] ^= 0x40;  // in the numbers
    expect_refusal([&] { read_alone(flipped); }, {"intact data", "CRC"});
    expect_refusal([&] { read_alone(zip, "b"); }, {"the array b"});
    expect_refusal([&] { read_alone(zip_of({{"model/data.pkl", {1}}})); }, {"model/data.pkl"});
}
