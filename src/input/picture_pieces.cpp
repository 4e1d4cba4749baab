// picture_pieces.cpp: finds what hangs together in the ink, and says which pieces are one digit.
//
// All lengths are compared with the sheet's or with a piece's own, so that no size is special.
#include <algorithm>
#include <cmath>
#include <deque>
#include <map>

#include "input/picture_stages.h"

namespace {

/// Labels what hangs together from (x, y) on and has at least the ink `least`, diagonals too.
InkPiece fill(const Sheet& ink, float least, std::vector<int>& labels, int x, int y, int label,
              float& darkest) {
    int left = x, right = x, top = y, bottom = y;
    double mass = 0;
    std::vector<std::pair<int, int>> open{{x, y}};
    labels[position(x, y, ink.width)] = label;
    while (!open.empty()) {
        const auto [u, v] = open.back();
        open.pop_back();
        left = std::min(left, u), right = std::max(right, u);
        top = std::min(top, v), bottom = std::max(bottom, v);
        mass += static_cast<double>(ink.at(u, v));
        darkest = std::max(darkest, ink.at(u, v));
        for (int b = v - 1; b <= v + 1; ++b)
            for (int a = u - 1; a <= u + 1; ++a) {
                if (ink.at_or(a, b, 0) < least || labels[position(a, b, ink.width)] != 0) continue;
                labels[position(a, b, ink.width)] = label;
                open.emplace_back(a, b);
            }
    }
    return {{left, top, right - left + 1, bottom - top + 1}, mass, label};
}

int side(const Box& box) { return std::max(box.width, box.height); }

/// The free space between two boxes along x and y; negative where they overlap.
int gap_across(const Box& a, const Box& b) {
    return std::max(a.left, b.left) - std::min(a.right(), b.right());
}
int gap_down(const Box& a, const Box& b) {
    return std::max(a.top, b.top) - std::min(a.bottom(), b.bottom());
}

/// Two large pieces are two digits if they stand side by side or one below the other. Digits that
/// lean share some columns, more if both go from the top of the line to its bottom. What is flat,
/// as the bar of a 5, is a digit's part unless it keeps its distance.
bool are_two_digits(const Box& a, const Box& b) {
    const int larger = std::max(side(a), side(b)), smaller = std::min(side(a), side(b));
    const int taller = std::max(a.height, b.height), narrower = std::min(a.width, b.width);
    if (2 * smaller <= larger) return false;
    const bool flat = 2 * std::min(a.height, b.height) <= taller;
    const bool as_tall = -4 * gap_down(a, b) > 3 * taller;
    const double shared = flat ? -0.06 * larger : (as_tall ? 0.6 : 0.25) * narrower;
    return -gap_across(a, b) < shared || gap_down(a, b) > 0.15 * larger;
}

bool may_be_one_digit(const Box& a, const Box& b) {
    const bool far = 3 * std::max(gap_across(a, b), gap_down(a, b)) > std::max(side(a), side(b));
    return !far && !are_two_digits(a, b);
}

/// Whether a is nearer to `piece` than b is: the free space between the boxes decides, and where
/// both have none, their middles.
bool is_nearer(const Box& a, const Box& b, const Box& piece) {
    const auto space = [&](const Box& box) {
        return std::hypot(std::max(0, gap_across(box, piece)), std::max(0, gap_down(box, piece)));
    };
    const auto between = [&](const Box& box) {
        return std::hypot(2 * box.left + box.width - 2 * piece.left - piece.width,
                          2 * box.top + box.height - 2 * piece.top - piece.height);
    };
    return std::pair(space(a), between(a)) < std::pair(space(b), between(b));
}

/// What hangs together by at least the ink `least`, and has dark ink. In the order of labels.
InkPieces islands_of(const Sheet& ink, float least) {
    InkPieces islands;
    islands.labels.assign(ink.values.size(), 0);
    int label = 0;
    for (int y = 0; y < ink.height; ++y)
        for (int x = 0; x < ink.width; ++x) {
            if (ink.at(x, y) < least || islands.labels[position(x, y, ink.width)] != 0) continue;
            float darkest = 0;
            const InkPiece island = fill(ink, least, islands.labels, x, y, ++label, darkest);
            if (darkest >= dark_ink) islands.all.push_back(island);
        }
    return islands;
}

/// The large ones of these pieces, if two of them are two digits side by side; otherwise none.
std::vector<InkPiece> digits_among(std::vector<InkPiece> cores) {
    int largest = 0;
    for (const InkPiece& core : cores) largest = std::max(largest, side(core.box));
    std::erase_if(cores, [&](const InkPiece& core) { return 2 * side(core.box) <= largest; });
    for (const InkPiece& a : cores)
        for (const InkPiece& b : cores)
            if (are_two_digits(a.box, b.box) &&
                -2 * gap_down(a.box, b.box) > std::max(a.box.height, b.box.height))
                return cores;
    return {};
}

/// Gives the pixels of the piece with the label `from` to the nearest of `cores`, along the piece.
/// Cores are numbered in `core_labels`; their new labels begin behind `last`.
std::vector<InkPiece> split(const Sheet& ink, const std::vector<int>& core_labels, int from,
                            int last, const std::vector<InkPiece>& cores,
                            std::vector<int>& labels) {
    std::vector<InkPiece> parts;
    std::deque<std::pair<int, int>> open;
    for (const InkPiece& core : cores) {
        parts.push_back({core.box, 0, ++last});
        for (int y = core.box.top; y < core.box.bottom(); ++y)
            for (int x = core.box.left; x < core.box.right(); ++x) {
                if (core_labels[position(x, y, ink.width)] != core.label) continue;
                labels[position(x, y, ink.width)] = last;
                open.emplace_back(x, y);
            }
    }
    const int first = last - static_cast<int>(cores.size()) + 1;
    while (!open.empty()) {
        const auto [x, y] = open.front();
        open.pop_front();
        const int label = labels[position(x, y, ink.width)];
        InkPiece& part = parts[static_cast<std::size_t>(label - first)];
        part.box = both(part.box, {x, y, 1, 1});
        part.mass += static_cast<double>(ink.at(x, y));
        for (int b = y - 1; b <= y + 1; ++b)
            for (int a = x - 1; a <= x + 1; ++a) {
                if (!ink.holds(a, b) || labels[position(a, b, ink.width)] != from) continue;
                labels[position(a, b, ink.width)] = label;
                open.emplace_back(a, b);
            }
    }
    return parts;
}

/// Digits that stand close hang together by the pale edges of their strokes alone: there they are
/// two pieces. A faint digit has such places, too, but its parts lie one below the other.
void split_at_pale(const Sheet& ink, InkPieces& pieces) {
    const InkPieces cores = islands_of(ink, dark_ink);
    std::map<int, std::vector<InkPiece>> cores_of;  // by the label of their piece
    for (const InkPiece& core : cores.all) {
        int x = core.box.left;  // its first row has a pixel of it
        while (cores.labels[position(x, core.box.top, ink.width)] != core.label) ++x;
        cores_of[pieces.labels[position(x, core.box.top, ink.width)]].push_back(core);
    }
    int last = 0;
    for (const int label : pieces.labels) last = std::max(last, label);
    std::vector<InkPiece> all;
    for (const InkPiece& piece : pieces.all) {
        const auto digits = digits_among(cores_of[piece.label]);
        if (digits.empty()) {
            all.push_back(piece);
            continue;
        }
        for (const InkPiece& part :
             split(ink, cores.labels, piece.label, last, digits, pieces.labels))
            all.push_back(part);
        last += static_cast<int>(digits.size());
    }
    pieces.all = std::move(all);
}

struct Group {
    Box box;
    std::vector<InkPiece> pieces;
};

}  // namespace

InkPieces pieces_of(const Sheet& ink) {
    InkPieces pieces = islands_of(ink, pale_ink);
    split_at_pale(ink, pieces);
    std::ranges::sort(pieces.all,
                      [](const InkPiece& a, const InkPiece& b) { return a.mass > b.mass; });
    if (!pieces.all.empty())
        std::erase_if(pieces.all, [&, least = pieces.all.front().mass / 40](const InkPiece& piece) {
            if (piece.mass < least) pieces.specks += piece.mass;
            return piece.mass < least;
        });
    return pieces;
}

Sheet ink_of_pieces(const Sheet& ink, const InkPieces& pieces,
                    const std::vector<InkPiece>& chosen) {
    Sheet result(ink.width, ink.height);
    const auto is_chosen = [&](int label) {
        return label != 0 && std::ranges::find(chosen, label, &InkPiece::label) != chosen.end();
    };
    // Pale ink around a piece is the piece's edge.
    for (int y = 0; y < ink.height; ++y)
        for (int x = 0; x < ink.width; ++x) {
            bool taken = is_chosen(pieces.labels[position(x, y, ink.width)]);
            for (int b = y - 1; b <= y + 1 && !taken && ink.at(x, y) > 0; ++b)
                for (int a = x - 1; a <= x + 1 && !taken; ++a)
                    taken = ink.holds(a, b) && is_chosen(pieces.labels[position(a, b, ink.width)]);
            if (taken) result.at(x, y) = ink.at(x, y);
        }
    return result;
}

std::vector<std::vector<InkPiece>> digits_of(const InkPieces& pieces) {
    std::vector<Group> groups;
    for (const InkPiece& piece : pieces.all) {
        Group* home = nullptr;
        for (Group& group : groups)
            if (may_be_one_digit(group.box, piece.box) &&
                (home == nullptr || is_nearer(group.box, home->box, piece.box)))
                home = &group;
        if (home == nullptr) {
            groups.push_back({piece.box, {piece}});
        } else {
            home->box = both(home->box, piece.box);
            home->pieces.push_back(piece);
        }
    }
    std::ranges::sort(groups, {}, [](const Group& group) { return group.box.left; });
    std::vector<std::vector<InkPiece>> digits;
    digits.reserve(groups.size());
    for (Group& group : groups) digits.push_back(std::move(group.pieces));
    return digits;
}
