// table.cpp: fuzzes the reader of tables. The first byte says how the rest is to be read.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "input/table_reader.h"
#include "tests/fuzz/targets.h"

namespace fuzz {

void judge_table(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return;
    const bool as_classes = bytes[0] % 2 != 0;
    const int targets = as_classes ? 1 : 1 + bytes[0] / 2 % 3;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 1, bytes.size() - 1);
    accepts([&] {
        const SampleSet set = parse_table(text, "table", targets, as_classes);
        const std::size_t count = set.count();
        require(count > 0 && set.features() > 0, "an empty set");
        require(set.inputs.size() == set.features() * count, "inputs without a place");
        require(as_classes || set.targets.size() == count * static_cast<std::size_t>(targets),
                "targets without a place");
        const auto finite = [](nn_real value) { return std::isfinite(value); };
        require(std::all_of(set.inputs.begin(), set.inputs.end(), finite) &&
                    std::all_of(set.targets.begin(), set.targets.end(), finite),
                "a number that is not finite");
        require(std::all_of(set.labels.begin(), set.labels.end(),
                            [&](int label) { return label < set.classes; }),
                "a label that is no class");
    });
}

std::vector<Bytes> table_seeds() {
    std::vector<Bytes> seeds;
    for (const std::string_view text :
         {"\2a,b,c\n1,2,3\n-0.5, 1e-3 ,2E4\n", "\1# classes\r\n\r\n0.1,0\r\n0.2,255\r\n",
          "\4\xef\xbb\xbf\"x\",y,z,w\n1,2,3,4", "\0001;2\n1e99,nan,inf,-1e-99\n"})
        seeds.emplace_back(text.begin(), text.end());
    return seeds;
}

}  // namespace fuzz
