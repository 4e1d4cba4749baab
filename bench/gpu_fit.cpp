// gpu_fit.cpp: turns the table of a run of `make bench-gpu` into constants of the model.
//
//     gpu_fit CSV
//
// What it does stands in gpu_fit_table.cpp, gpu_fit_search.cpp and gpu_fit_report.cpp, which tests
// link too. Exit code: 0; 2 where the csv cannot be used.
#include <string>
#include <vector>

#include "gpu_fit.h"

int main(int argc, char** argv) { return gpu_fit(std::vector<std::string>(argv + 1, argv + argc)); }
