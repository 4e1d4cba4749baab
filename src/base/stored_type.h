// stored_type.h: the types that numbers have in files of other programs, and how they are widened.
//
// safetensors and NumPy's files name the same types differently; here are their widths and values.
// Every value becomes a double. That is exact for all of them but whole numbers beyond 2^53.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

enum class StoredType { u8, u16, u32, u64, i8, i16, i32, i64, f16, bf16, f32, f64 };

/// The bytes of one number.
std::size_t width_of(StoredType type);
bool is_whole(StoredType type);

/// Number `index` of `data`, which must hold it; its bytes are little endian and need no alignment.
double number_at(std::span<const std::uint8_t> data, StoredType type, std::size_t index);
