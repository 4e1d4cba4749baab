// layers.cpp: names become layers, in an order in which their shapes fit together.
#include "model/layers.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <optional>

namespace {

constexpr const char* only_dense = "only fully connected layers with biases can be used";
constexpr const char* number_them = "number the layers in their names: fc1, fc2, ...";

/// What a layer is called. Layers of one family are ordered by their numbers.
struct LayerName {
    std::string family;
    std::int64_t number = -1;  ///< -1: none
    bool counted = false;      ///< the number counts layers, without a gap: W1, coefs_0, arr_0
    auto operator<=>(const LayerName&) const = default;
};

struct TensorName {
    LayerName layer;
    bool is_weight;
};

/// Cuts the number, and a _ before it, from the end of `name`.
std::optional<std::uint32_t> cut_number(std::string_view& name) {
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;  // npos + 1 is 0
    std::uint32_t number = 0;
    const auto [stop, error] =
        std::from_chars(name.data() + digits, name.data() + name.size(), number);
    if (error != std::errc{}) return {};
    name.remove_suffix(name.size() - digits);
    if (name.ends_with('_')) name.remove_suffix(1);
    return number;
}

/// True for a word of weights, false for one of biases.
std::optional<bool> is_weight_word(std::string_view word) {
    for (const std::string_view known : {"weight", "weights", "kernel", "W", "w", "coefs"})
        if (word == known) return true;
    for (const std::string_view known : {"bias", "biases", "b", "intercepts"})
        if (word == known) return false;
    return {};
}

LayerName layer_called(std::string_view stem) {
    const auto number = cut_number(stem);
    return {std::string(stem), number ? std::int64_t{*number} : -1, false};
}

/// The word behind the last of `separators` says what the tensor is, the rest is the layer's name.
std::optional<TensorName> ending_in_word(std::string_view name, const char* separators) {
    const auto cut = name.find_last_of(separators);
    if (cut == name.npos) return {};
    const auto is_weight = is_weight_word(name.substr(cut + 1));
    if (!is_weight) return {};
    return TensorName{layer_called(name.substr(0, cut)), *is_weight};
}

std::optional<TensorName> parts_of(std::string_view name) {
    if (name.ends_with(":0")) name.remove_suffix(2);
    if (auto found = ending_in_word(name, "./")) return found;
    if (auto found = ending_in_word(name, "_")) return found;
    for (const bool is_weight : {true, false})  // Keras 3: dense_1/vars/0
        if (const std::string_view end = is_weight ? "/vars/0" : "/vars/1"; name.ends_with(end))
            return TensorName{layer_called(name.substr(0, name.size() - end.size())), is_weight};
    const std::size_t begin = name.find_last_of("./") + 1;  // npos + 1 is 0
    std::string_view word = name.substr(begin);
    const auto number = cut_number(word);
    if (!number) return {};
    const std::string before(name.substr(0, begin));
    if (word == "arr") return TensorName{{before, *number / 2, true}, *number % 2 == 0};
    if (const auto is_weight = is_weight_word(word))
        return TensorName{{before, *number, true}, *is_weight};
    return {};
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
    std::string text;
    for (const auto extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
    return "[" + harmless(text) + "]";
}

using NamedLayers = std::map<LayerName, Layer>;

NamedLayers pair_up(const std::vector<Tensor>& tensors, const Refusal& refuse) {
    NamedLayers named;
    for (const Tensor& tensor : tensors) {
        const auto parts = parts_of(tensor.name);
        if (!parts)
            refuse(
                "weights and biases alone, called W1, b1, ..., 0.weight, 0.bias, ..., or "
                "dense/kernel, dense/bias, ...",
                in_quotes(tensor.name), only_dense);
        Layer& layer = named[parts->layer];
        const Tensor*& place = parts->is_weight ? layer.weight : layer.bias;
        if (place)
            refuse("one tensor of each layer",
                   in_quotes(place->name) + " and " + in_quotes(tensor.name));
        place = &tensor;
    }
    if (named.empty()) refuse("tensors W1, b1, ...", "none");
    return named;
}

constexpr std::uint64_t most_units = std::numeric_limits<int>::max();

/// The number of a bias's elements, which lie along one dimension.
std::uint64_t length_of(const Tensor& bias) {
    std::uint64_t length = 1;
    for (const std::uint64_t extent : bias.shape)
        if (extent != 1) length = length == 1 ? extent : 0;
    return length;
}

void check_layers(const NamedLayers& named, const Refusal& refuse) {
    std::int64_t next = -1;
    for (const auto& [name, layer] : named) {
        if (!layer.weight || !layer.bias)
            refuse("a weight and a bias of each layer",
                   "only " + in_quotes((layer.weight ? layer.weight : layer.bias)->name),
                   only_dense);
        if (name.counted && named.begin()->first.family == name.family) {
            if (next < 0) next = std::min(name.number, std::int64_t{1});
            if (name.number != next)
                refuse("layer " + std::to_string(next), in_quotes(layer.weight->name),
                       "the layers are numbered from 0 or 1, without a gap");
            ++next;
        }
        const auto& shape = layer.weight->shape;
        if (shape.size() != 2 || shape[0] > most_units || shape[1] > most_units)
            refuse("two dimensions of " + in_quotes(layer.weight->name) + ", below 2^31",
                   shape_text(shape), only_dense);
        const std::uint64_t length = length_of(*layer.bias);
        if (length != shape[0] && length != shape[1])
            refuse("shape " + shape_text({shape[0]}) + " of " + in_quotes(layer.bias->name),
                   shape_text(layer.bias->shape));
    }
}

/// Whether the matrices are inputs x outputs.
bool is_in_out(const std::vector<Layer>& layers, Kernels asked, const Refusal& refuse) {
    const auto told = std::ranges::find_if(layers, [](const Layer& layer) {
        return layer.weight->shape[0] != layer.weight->shape[1];
    });
    if (told == layers.end()) {
        if (asked == Kernels::told)
            refuse("a matrix that is not square, which tells inputs from outputs",
                   "only square ones",
                   "say how they lie with --kernels out-in (PyTorch) or in-out (Keras)");
        return asked == Kernels::in_out;
    }
    const bool in_out = length_of(*told->bias) == told->weight->shape[1];
    if (asked != Kernels::told && in_out != (asked == Kernels::in_out))
        refuse(std::string("matrices that lie ") + name_of(asked) + ", as --kernels says",
               in_quotes(told->weight->name) + " of shape " + shape_text(told->weight->shape) +
                   " with " + std::to_string(length_of(*told->bias)) + " biases",
               "leave --kernels out");
    return in_out;
}

std::uint64_t inputs_of(const Layer& layer, bool in_out) {
    return layer.weight->shape[in_out ? 0 : 1];
}
std::uint64_t outputs_of(const Layer& layer, bool in_out) {
    return layer.weight->shape[in_out ? 1 : 0];
}

/// All orders in which layers of several families fit together, until there are two.
class Orders {
  public:
    Orders(const NamedLayers& named, bool in_out) : in_out_(in_out) {
        for (const auto& [name, layer] : named) all_.emplace_back(&name, &layer);
        used_.resize(all_.size());
    }
    /// The only one; nothing if there are none or several, or if that cannot be told soon.
    std::optional<std::vector<Layer>> only_one() {
        extend();
        if (orders_ != 1 || tries_ > most_tries) return {};
        return found_;
    }

  private:
    static constexpr int most_tries = 100000;

    /// Layers of one family rise.
    bool may_be_next(std::size_t i) const {
        if (used_[i]) return false;
        if (!order_.empty() &&
            inputs_of(*all_[i].second, in_out_) != outputs_of(*all_[order_.back()].second, in_out_))
            return false;
        return i == 0 || all_[i - 1].first->family != all_[i].first->family || used_[i - 1];
    }
    void extend() {
        if (++tries_ > most_tries || orders_ > 1) return;
        if (order_.size() == all_.size()) {
            ++orders_;
            found_.clear();
            for (const std::size_t i : order_) found_.push_back(*all_[i].second);
            return;
        }
        for (std::size_t i = 0; i < all_.size(); ++i) {
            if (!may_be_next(i)) continue;
            used_[i] = true;
            order_.push_back(i);
            extend();
            order_.pop_back();
            used_[i] = false;
        }
    }

    bool in_out_;
    std::vector<std::pair<const LayerName*, const Layer*>> all_;
    std::vector<bool> used_;
    std::vector<std::size_t> order_;
    std::vector<Layer> found_;
    int tries_ = 0, orders_ = 0;
};

std::vector<Layer> in_order(const NamedLayers& named, bool in_out, const Refusal& refuse) {
    constexpr std::size_t most_layers = 1000;  // the search goes as deep
    const bool one_family = named.begin()->first.family == named.rbegin()->first.family;
    if (one_family) {
        std::vector<Layer> layers;
        for (const auto& [name, layer] : named) layers.push_back(layer);
        return layers;
    }
    if (named.size() <= most_layers)
        if (auto order = Orders(named, in_out).only_one()) return *order;
    std::string names;
    for (const auto& [name, layer] : named)
        names += (names.empty() ? "" : ", ") + layer.weight->name;
    refuse("layers that fit together in one order alone", harmless(names, 200), number_them);
}

Layout layout_of(const std::vector<Layer>& layers, bool in_out, const Refusal& refuse) {
    std::vector<int> sizes{static_cast<int>(inputs_of(layers.front(), in_out))};
    for (const Layer& layer : layers) {
        const std::uint64_t outputs = outputs_of(layer, in_out);
        if (inputs_of(layer, in_out) != static_cast<std::uint64_t>(sizes.back()))
            refuse(std::to_string(sizes.back()) + " inputs of " + in_quotes(layer.weight->name) +
                       ", the outputs of the layer before",
                   shape_text(layer.weight->shape) +
                       (in_out ? " (inputs, outputs)" : " (outputs, inputs)"));
        if (length_of(*layer.bias) != outputs)
            refuse("shape " + shape_text({outputs}) + " of " + in_quotes(layer.bias->name),
                   shape_text(layer.bias->shape));
        sizes.push_back(static_cast<int>(outputs));
    }
    return Layout(sizes);
}

}  // namespace

Layers find_layers(const std::vector<Tensor>& tensors, Kernels asked, const Refusal& refuse) {
    const NamedLayers named = pair_up(tensors, refuse);
    check_layers(named, refuse);
    std::vector<Layer> any_order;
    for (const auto& [name, layer] : named) any_order.push_back(layer);
    Layers found;
    found.in_out = is_in_out(any_order, asked, refuse);
    found.layers = in_order(named, found.in_out, refuse);
    found.layout = layout_of(found.layers, found.in_out, refuse);
    return found;
}
