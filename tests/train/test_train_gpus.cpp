// test_train_gpus.cpp: whether ranks have a GPU for themselves, told by its UUID.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/train_fixture.h"
#include "train/gpus.h"

namespace {

/// A UUID of 16 bytes, with zeros in it as real ones have.
std::string uuid(int number) {
    std::string bytes(16, '\0');
    bytes[0] = 'G';
    bytes[15] = static_cast<char>(number);
    return bytes;
}

TEST(Gpus, AreSharedByRanksOfTheSameUuid) {
    const bool several = comm().size() > 1;
    EXPECT_EQ(shares_gpu(comm(), uuid(7)), several) << "one GPU for all";
    EXPECT_FALSE(shares_gpu(comm(), uuid(comm().rank()))) << "each sees its own as device 0";
    EXPECT_FALSE(shares_gpu(comm(), "")) << "CUDA does not say";
    const bool two_have_mine = comm().size() > 2 && comm().rank() < 2;
    EXPECT_EQ(shares_gpu(comm(), uuid(comm().rank() < 2 ? 1 : 7 + comm().rank())),
              two_have_mine || (comm().size() == 2));
}

}  // namespace
