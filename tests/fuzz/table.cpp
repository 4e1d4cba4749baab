// table.cpp: fuzzes the reader of tables. The first byte says how the rest is to be read.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "input/table_reader.h"
#include "tests/fuzz/targets.h"

namespace fuzz {

namespace {

const TableOfNetwork network{{4, {"a", "b", "c", "kind"}, {3}}, {"no", "yes"}, 3, 2, true};

/// Reads the text in one of eight ways.
Table read(std::string_view text, unsigned way) {
    static constexpr const char* targets[] = {"", "1", "-2..-1", "label,x"};
    TableOfNetwork known = network;
    if (way < 6) return parse_table(text, "table", TableWish{targets[way / 2], way % 2 != 0});
    if (way == 6) known.with_targets = false;
    return parse_table(text, "table", known);
}

}  // namespace

void judge_table(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 1, bytes.size() - 1);
    accepts([&] {
        const Table table = read(text, bytes[0] % 8);
        const SampleSet& set = table.set;
        const std::size_t count = set.count();
        require(count > 0 && set.features() > 0, "an empty set");
        require(set.inputs.size() == set.features() * count, "inputs without a place");
        require(set.labels.empty() || set.labels.size() == count, "labels without a place");
        require(set.format.number_targets != set.targets.empty() || set.format.without_targets,
                "targets of another kind");
        require(set.targets.empty() ||
                    set.targets.size() == count * static_cast<std::size_t>(set.classes),
                "targets without a place");
        const auto finite = [](nn_real value) { return std::isfinite(value); };
        require(std::all_of(set.inputs.begin(), set.inputs.end(), finite) &&
                    std::all_of(set.targets.begin(), set.targets.end(), finite),
                "a number that is not finite");
        require(std::all_of(set.labels.begin(), set.labels.end(),
                            [&](int label) { return label < set.classes; }),
                "a label that is no class");
        require(set.class_names.empty() ||
                    set.class_names.size() == static_cast<std::size_t>(set.classes),
                "classes without a name");
        const TableColumns& columns = table.columns;
        require(columns.names.empty() || columns.names.size() == columns.count,
                "columns without a name");
    });
}

std::vector<Bytes> table_seeds() {
    std::vector<Bytes> seeds;
    for (const std::string_view text :
         {"\2a,b,c\n1,2,3\n-0.5, 1e-3 ,2E4\n", "\1# classes\r\n\r\n0.1,0\r\n0.2,255\r\n",
          "\4\xef\xbb\xbf\"x\",y,z,w\n1,2,3,4", "\1;2\n1e99,nan,inf,-1e-99\n",
          "\1"
          "0\t1\t2\n5.5\t9\tred\n6.5\t+8\t\"a \"\"b\"\"\n c\"\n",
          "\6x,c,b,a\n1,2,3,4\n", "\7kind,a,b,c\nyes,1,2,3\nno,4,5,6\n",
          "\5label,0,x,1\r1,2,3,4\r"})
        seeds.emplace_back(text.begin(), text.end());
    return seeds;
}

}  // namespace fuzz
