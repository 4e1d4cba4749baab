// rules.cpp: the table of rules, and its words.
#include "app/cli/rules.h"

#include "base/leaves.h"

namespace {

using Kind = FlagRule::Kind;

constexpr const char* one_of_them = "give one of them";
constexpr const char* in_the_file = "the file has this setting; leave one of the two out";

bool has_mu(const Asked& a) {
    return std::visit(
        [](const auto& r) {
            using R = std::decay_t<decltype(r)>;
            return HasMu<R>;
        },
        a.options.training.rule);
}
bool has_betas(const Asked& a) { return moments_of(a.options.training.rule) == 2; }
bool is_by_steps(const Asked& a) { return a.options.training.schedule == ScheduleKind::step; }
bool decays(const Asked& a) {
    return is_by_steps(a) || a.options.training.schedule == ScheduleKind::decay;
}
bool is_normal(const Asked& a) { return a.options.init == Init::normal; }
bool is_bf16x3(const Asked& a) { return a.options.device.gemm == GemmKind::bf16x3; }
bool is_int8(const Asked& a) { return a.options.device.gemm == GemmKind::int8; }
bool is_persistent(const Asked& a) { return a.options.device.gemm == GemmKind::persistent; }

std::vector<FlagRule> rules_of_samples() {
    return {{{{"--csv-data"}}, Kind::excludes, {{"--data"}, {"--raw-pixels"}}, one_of_them},
            {{{"--target"}}, Kind::excludes, {{"--target-columns"}}, one_of_them},
            {{{"--target"}, {"--target-columns"}, {"--scale"}}, Kind::needs, {{"--csv-data FILE"}}},
            {{{"--gemm bf16x3", is_bf16x3}, {"--gemm int8", is_int8}},
             Kind::excludes,
             {{"--csv-data"}},
             "it is for pixels, and a table has none; use --gemm auto or fp32"},
            {{{"--shuffle"}}, Kind::excludes, {{"--no-shuffle"}}, one_of_them},
            {{{"--feed"}}, Kind::excludes, {{"--scatter"}}, one_of_them}};
}

std::vector<FlagRule> rules_of_network() {
    return {{{{"--hidden"},
              {"--activation"},
              {"--output"},
              {"--init"},
              {"--init-scale"},
              {"--raw-pixels"}},
             Kind::excludes,
             {{"--load"}},
             in_the_file},
            {{{"--init-scale"}}, Kind::is_for, {{"--init normal", is_normal}}},
            {{{"--momentum"}}, Kind::is_for, {{"--optimizer momentum and nesterov", has_mu}}},
            {{{"--beta1"}, {"--beta2"}, {"--epsilon"}},
             Kind::is_for,
             {{"--optimizer adam and adamw", has_betas}}},
            {{{"--decay-every"}}, Kind::is_for, {{"--schedule step", is_by_steps}}},
            {{{"--lr-decay"}}, Kind::is_for, {{"--schedule decay and step", decays}}}};
}

std::vector<FlagRule> rules_of_files() {
    return {{{{"--resume"}, {"--checkpoint-every"}}, Kind::needs, {{"--checkpoint DIR"}}},
            {{{"--keep-best"}}, Kind::needs, {{"--save FILE"}}},
            {{{"--html"}},
             Kind::excludes,
             {{"--csv-data"}, {"--as-is"}},
             "the page prepares what is drawn as images of digits are; leave one of the two out"}};
}

bool is_local(const Asked& a) { return a.options.local_steps > 0; }
bool is_async(const Asked& a) { return a.options.async.has_value(); }
bool is_scattered(const Asked& a) { return a.options.feed == FeedKind::scattered; }
bool is_on_cuda(const Asked& a) { return a.options.device.device == DeviceKind::cuda; }
bool is_on_cpu(const Asked& a) { return a.options.device.device == DeviceKind::cpu; }
bool keeps_moments(const Asked& a) {
    return (is_local(a) || is_async(a)) && moments_of(a.options.training.rule) > 0;
}
bool has_another_sum(const Asked& a) {
    const AllreduceKind kind = a.options.device.allreduce;
    return kind != AllreduceKind::automatic && kind != AllreduceKind::shared;
}
bool names_a_sum(const Asked& a) { return a.options.device.allreduce != AllreduceKind::automatic; }
bool is_overlapped(const Asked& a) { return a.options.device.allreduce == AllreduceKind::overlap; }
bool is_by_nccl(const Asked& a) { return a.options.device.allreduce == AllreduceKind::nccl; }
bool is_compressed(const Asked& a) { return compresses(a.options.device.compress); }
bool has_small_operands(const Asked& a) { return is_small(a.options.device.precision); }
bool is_fp16(const Asked& a) { return a.options.device.precision == Precision::fp16; }
/// Without --loss-scale, it is dynamic.
bool scales_its_loss(const Asked& a) {
    const LossScaling& scaling = a.options.training.loss_scaling;
    const bool is_off = a.line.given("--loss-scale") && !scaling.is_dynamic && scaling.fixed == 1;
    return is_fp16(a) && !is_off;
}
bool accumulates(const Asked& a) { return a.options.accumulate > 1; }
bool cuts_leaves(const Asked& a) {
    return accumulates(a) && a.options.training.batch % leaf_samples != 0;
}

std::vector<FlagRule> rules_of_sums() {
    const Setting local{"--sync local:H", is_local}, async{"--sync async", is_async};
    const Setting reproducible{"--reproducible"};
    const Setting compress{"--compress", is_compressed};
    const Setting accumulate{"--accumulate", accumulates};
    const Setting scaled{"--precision fp16 with a loss scale", scales_its_loss};
    return {
        {{{"--bucket-size"}}, Kind::is_for, {{"--allreduce overlap", is_overlapped}}},
        {{{"--cuda-aware"}},
         Kind::excludes,
         {{"--device cpu", is_on_cpu}, {"--course"}, accumulate, scaled},
         "the gradient is in host memory there; leave one of the two out"},
        {{{"--allreduce nccl", is_by_nccl}},
         Kind::excludes,
         {{"--device cpu", is_on_cpu}, accumulate, scaled},
         "NCCL sums in the memory of GPUs, and with the other one the gradient is in host memory; "
         "leave one of the two out"},
        {{{"--allreduce nccl", is_by_nccl}},
         Kind::excludes,
         {{"--cuda-aware"}},
         "NCCL sums, and not MPI; leave one of the two out"},
        {{compress},
         Kind::excludes,
         {{"--allreduce", names_a_sum}},
         "the codes are gathered from all ranks, and not summed on the way; leave one of the two "
         "out"},
        {{compress},
         Kind::excludes,
         {{"--compare"}},
         "the reference's steps are those of whole gradients; leave one of the two out"},
        {{compress},
         Kind::excludes,
         {reproducible},
         "what is sent of a gradient depends on the number of ranks; leave one of the two out"},
        {{compress},
         Kind::excludes,
         {local, async},
         "no gradient is sent; leave one of the two out"},
        {{reproducible},
         Kind::excludes,
         {{"--device cuda", is_on_cuda}},
         "a GPU adds in an order of its own; use --device cpu"},
        {{reproducible},
         Kind::excludes,
         {{"--gemm bf16x3", is_bf16x3}},
         "the tiles add in an order of their own; use --gemm fp32"},
        {{reproducible},
         Kind::excludes,
         {{"--gemm int8", is_int8}, {"--gemm persistent", is_persistent}},
         "it is for GPUs, which add in an order of their own; use --gemm fp32"},
        {{reproducible},
         Kind::excludes,
         {{"--allreduce other than shared", has_another_sum}},
         "it adds the replicas' sums itself; leave --allreduce out"},
        {{reproducible},
         Kind::excludes,
         {{"--accumulate beside a -b that is no multiple of 8", cuts_leaves}},
         "8 samples are added together, and a slice would cut them; use a multiple of 8"}};
}

std::vector<FlagRule> rules_of_sync() {
    const Setting local{"--sync local:H", is_local}, async{"--sync async", is_async};
    const Setting reproducible{"--reproducible"};
    return {{{local},
             Kind::excludes,
             {reproducible},
             "the mean depends on the number of ranks; leave one of the two out"},
            {{async},
             Kind::excludes,
             {reproducible},
             "updates are applied as they come, so equal runs differ; leave one of the two out"},
            {{async},
             Kind::excludes,
             {{"--feed scattered", is_scattered}},
             "a rank takes whatever shard is next, and waits for no scatter; use --feed resident"},
            {{local, async},
             Kind::excludes,
             {{"--allreduce", names_a_sum}, {"--cuda-aware"}},
             "no gradient is summed, and each rank has a copy; leave one of the two out"},
            {{local, async},
             Kind::excludes,
             {{"--accumulate", accumulates}},
             "a rank makes an update of its own for every mini-batch; leave one of the two out"},
            {{local, async},
             Kind::excludes,
             {{"--compare"}},
             "the reference takes the steps of all ranks together; leave one of the two out"},
            {{{"--checkpoint"}},
             Kind::excludes,
             {{"--sync local:H or async beside an --optimizer other than sgd", keeps_moments}},
             "a checkpoint does not hold the moments of each rank; leave one of the two out"},
            {{{"--outer-momentum"}, {"--outer-rate"}}, Kind::is_for, {local}}};
}

std::vector<FlagRule> rules_of_fast_kernels() {
    const Setting persistent{"--gemm persistent", is_persistent};
    return {{{persistent, {"--gemm int8", is_int8}},
             Kind::excludes,
             {{"--device cpu", is_on_cpu}, {"--course"}},
             "it is for a GPU's fast kernels; leave one of the two out"},
            {{persistent},
             Kind::excludes,
             {{"--sync local:H", is_local}, {"--sync async", is_async}},
             "it is for one rank; leave one of the two out"}};
}

std::vector<FlagRule> rules_of_precision() {
    const Setting local{"--sync local:H", is_local}, async{"--sync async", is_async},
        compress{"--compress", is_compressed}, loss_scale{"--loss-scale"};
    const Setting small{"--precision other than fp32", has_small_operands};
    std::vector<FlagRule> rules{{{small},
                                 Kind::excludes,
                                 {{"--gemm bf16x3", is_bf16x3},
                                  {"--gemm int8", is_int8},
                                  {"--gemm persistent", is_persistent}},
                                 "it has float's accuracy; leave one of the two out"}};
    if (sizeof(nn_real) == sizeof(double)) {
        rules.push_back({{small, loss_scale},
                         Kind::excludes,
                         {{"the build in double", [](const Asked&) { return true; }}},
                         "it has no smaller type; leave the flag out, or build in float"});
        return rules;
    }
    rules.push_back({{loss_scale},
                     Kind::excludes,
                     {local, async, compress},
                     "no whole gradient is there to be judged; leave one of the two out"});
    rules.push_back({{loss_scale}, Kind::is_for, {{"--precision fp16", is_fp16}}});
    return rules;
}

std::string listed(const std::vector<Setting>& settings) {
    std::string text;
    for (std::size_t i = 0; i < settings.size(); ++i)
        text += (i == 0                     ? ""
                 : i + 1 == settings.size() ? " or "
                                            : ", ") +
                std::string(settings[i].text);
    return text;
}

}  // namespace

bool Setting::is_in(const Asked& asked) const {
    if (holds != nullptr) return holds(asked);
    const std::string words = text;
    return asked.line.given(words.substr(0, words.find(' ')));
}

std::string FlagRule::text() const {
    const std::string first = listed(settings), second = listed(others);
    if (kind == Kind::needs) return first + ": expected " + second + " beside it";
    if (kind == Kind::is_for) return first + ": only for " + second;
    return first + " with " + second + ": " + why;
}

std::string FlagRule::broken_by(const Asked& asked) const {
    for (const Setting& setting : settings) {
        if (!setting.is_in(asked)) continue;
        const std::string name = setting.text;
        bool found = false;
        for (const Setting& other : others) {
            if (!other.is_in(asked)) continue;
            found = true;
            if (kind == Kind::excludes) return name + " and " + other.text + ": " + why;
        }
        if (found || kind == Kind::excludes) continue;
        return kind == Kind::needs ? name + ": expected " + listed(others) + " beside it"
                                   : name + " is for " + listed(others) + "; leave it out";
    }
    return "";
}

const std::vector<FlagRule>& flag_rules() {
    static const std::vector<FlagRule> all = [] {
        std::vector<FlagRule> rules;
        for (const auto& part : {rules_of_samples, rules_of_network, rules_of_files, rules_of_sums,
                                 rules_of_sync, rules_of_fast_kernels, rules_of_precision})
            for (FlagRule& rule : part()) rules.push_back(std::move(rule));
        return rules;
    }();
    return all;
}

void check_flag_rules(const Asked& asked) {
    for (const FlagRule& rule : flag_rules())
        if (const std::string words = rule.broken_by(asked); !words.empty())
            asked.line.refuse(words);
}
