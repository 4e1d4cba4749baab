// test_train_gpus.cpp: whether ranks have a GPU for themselves, told by its UUID; and whether they
// let MPI sum their device memory.
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

// ---- Sums of device memory ----------------------------------------------------------------------

class DeviceSums : public testing::Test {
  protected:
    void SetUp() override {
        const auto usable = find_cuda_devices().usable;
        if (usable.empty()) GTEST_SKIP() << "neither a GPU nor the kernel runner";
        device_ = usable.front().number;
    }
    /// There, device memory is the host's, so that any MPI sums it. A GPU's UUID is random.
    bool on_runner() const { return cuda_uuid(device_).substr(4) == std::string(12, '\0'); }
    int device_ = 0;
};

const auto sum_of_mpi = [](std::span<nn_real> values) { comm().all_ranks().sum(values); };
const auto no_sum = [](std::span<nn_real>) {};

TEST_F(DeviceSums, AreTakenWhereATrialIsRightWhetherAskedForOrNot) {
    if (!on_runner() && !Comm::is_cuda_aware()) GTEST_SKIP() << "MPI takes no device memory";
    for (const bool required : {false, true})
        EXPECT_TRUE(sums_device_memory(comm(), device_, true, required, sum_of_mpi)) << required;
}

TEST_F(DeviceSums, AreNotTriedWhereMpiOfOneRankDoesNotTakeThem) {
    bool tried = false;
    const bool says_so = comm().rank() < comm().size() - 1;
    EXPECT_FALSE(sums_device_memory(comm(), device_, says_so, false, [&](auto) { tried = true; }));
    EXPECT_FALSE(tried);
}

TEST_F(DeviceSums, ThatAreWrongAreNotTakenAndAreAnErrorIfAskedFor) {
    if (comm().size() == 1) GTEST_SKIP() << "a sum over one rank cannot be missed";
    EXPECT_FALSE(sums_device_memory(comm(), device_, true, false, no_sum));
    EXPECT_ANY_THROW(sums_device_memory(comm(), device_, true, true, no_sum));
}

TEST_F(DeviceSums, ThatAreWrongOnOneRankAreTakenByNone) {
    if (!on_runner()) GTEST_SKIP() << "the host cannot write there";
    const auto but_for_the_last = [](std::span<nn_real> values) {
        sum_of_mpi(values);
        if (comm().rank() == comm().size() - 1) values.back() += 1;
    };
    EXPECT_FALSE(sums_device_memory(comm(), device_, true, false, but_for_the_last));
}

}  // namespace
