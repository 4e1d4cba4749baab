// mpi_main.cpp: main() of the test binaries that run on several ranks.
//
// Rank 0 prints GoogleTest's usual report. The other ranks print only their failed assertions, each
// with the rank. After every test the ranks agree: a test that failed on any rank fails in rank 0's
// report, and every rank ends with the same exit code. A rank that leaves a test while the others
// wait in it cannot be told from a slow one: the time limit of tests/run.sh ends those.
#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "comm/session.h"

namespace {

int rank_in(MPI_Comm comm) {
    int rank = 0;
    MPI_Comm_rank(comm, &rank);
    return rank;
}

/// Prints the failures of a rank that has no report of its own.
class PrintFailures : public testing::EmptyTestEventListener {
  public:
    explicit PrintFailures(int rank) : rank_(rank) {}

    void OnTestPartResult(const testing::TestPartResult& result) override {
        if (!result.failed()) return;
        std::fprintf(stderr, "[ RANK %d ] %s:%d: %s\n", rank_,
                     result.file_name() ? result.file_name() : "unknown file", result.line_number(),
                     result.message());
    }

  private:
    int rank_;
};

/// Makes a test fail in rank 0's report if it failed on any rank, or if only some ranks skipped it.
class AgreeOnOutcome : public testing::EmptyTestEventListener {
  public:
    // It has its own communicator, so that a test's messages never mix with its own.
    AgreeOnOutcome() { MPI_Comm_dup(MPI_COMM_WORLD, &comm_); }
    ~AgreeOnOutcome() override { MPI_Comm_free(&comm_); }
    AgreeOnOutcome(const AgreeOnOutcome&) = delete;
    AgreeOnOutcome& operator=(const AgreeOnOutcome&) = delete;

    void OnTestEnd(const testing::TestInfo& test) override {
        enum : char { passed, failed, skipped };
        const char mine = test.result()->Failed()    ? failed
                          : test.result()->Skipped() ? skipped
                                                     : passed;
        int ranks = 0;
        MPI_Comm_size(comm_, &ranks);
        std::vector<char> all(static_cast<std::size_t>(ranks));
        MPI_Allgather(&mine, 1, MPI_CHAR, all.data(), 1, MPI_CHAR, comm_);
        if (rank_in(comm_) != 0) return;

        std::string failures, skips;
        for (std::size_t r = 0; r < all.size(); ++r) {
            if (all[r] == failed) failures += " " + std::to_string(r);
            if (all[r] == skipped) skips += " " + std::to_string(r);
        }
        if (!failures.empty() && mine != failed) ADD_FAILURE() << "failed on rank" << failures;
        if (failures.empty() && !skips.empty() && std::ranges::count(all, skipped) != ranks)
            ADD_FAILURE() << "skipped on rank" << skips << " alone: the ranks must agree to skip";
    }

  private:
    MPI_Comm comm_ = MPI_COMM_NULL;
};

int run_tests(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    const int rank = rank_in(MPI_COMM_WORLD);
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    if (rank != 0) {
        delete listeners.Release(listeners.default_result_printer());
        delete listeners.Release(listeners.default_xml_generator());
        listeners.Append(new PrintFailures(rank));
    }
    // The last listener gets a test's end first, before the report counts the test.
    auto agreement = std::make_unique<AgreeOnOutcome>();
    listeners.Append(agreement.get());
    int result = RUN_ALL_TESTS();
    listeners.Release(agreement.get());
    MPI_Allreduce(MPI_IN_PLACE, &result, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    const Session mpi(argc, argv);
    int result = 1;
    try {
        result = run_tests(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "[ RANK %d ] thrown outside a test: %s\n", rank_in(MPI_COMM_WORLD),
                     error.what());
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    return result;
}
