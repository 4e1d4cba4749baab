// file_fixture.h: the code that the tests of all readers share.
//
// Every bad input is a crafted file in a temporary directory, or crafted bytes. A refusal must be
// an InputError of one line that holds the file, what was expected, what was found and what to do.
// Allocations can be limited, so that a test fails if a reader believes a wrong header.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/support/temporary_directory.h"

/// Larger allocations throw std::bad_alloc, by an operator new in test_mnist_reader.cpp.
extern std::size_t largest_allocation;

using Bytes = std::vector<std::uint8_t>;

struct AllocationLimit {
    explicit AllocationLimit(std::size_t bytes) { largest_allocation = bytes; }
    ~AllocationLimit() { largest_allocation = std::numeric_limits<std::size_t>::max(); }
};

/// `read` must throw an InputError of one line that contains every one of `parts`.
inline void expect_refusal(const std::function<void()>& read,
                           const std::vector<std::string>& parts) {
    try {
        read();
    } catch (const InputError& e) {
        const std::string message = e.what();
        EXPECT_EQ(message.find('\n'), std::string::npos) << "more than one line: " << message;
        for (const std::string part : {": expected ", ", found ", "; "})
            EXPECT_NE(message.find(part), std::string::npos)
                << "no \"" << part << "\" in: " << message;
        for (const auto& part : parts)
            EXPECT_NE(message.find(part), std::string::npos)
                << "no \"" << part << "\" in: " << message;
        return;
    } catch (const std::exception& e) {
        ADD_FAILURE() << "should have been an InputError: " << e.what();
        return;
    }
    ADD_FAILURE() << "was accepted; should have been refused with \"" << parts.front() << "\"";
}
