// picture_pieces.cpp: takes rules and frames out of the ink, finds what hangs together in it, and
// says which pieces are one digit.
//
// All lengths are compared with the sheet's or with a piece's own, so that no size is special.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "input/picture_stages.h"

namespace {

/// Ink that is paler belongs to a piece only where it touches darker ink.
constexpr float pale = 0.25F, dark = 0.5F;

/// One number for each row: the ink that five sixths of its pixels reach.
std::vector<float> common_ink_of_rows(const Sheet& ink) {
    std::vector<float> common;
    for (int y = 0; y < ink.height; ++y) {
        const auto first =
            ink.values.begin() + static_cast<std::ptrdiff_t>(position(0, y, ink.width));
        common.push_back(quantile({first, first + ink.width}, 1.0 / 6));
    }
    return common;
}

/// Replaces rows [top, bottom) by paper, except where ink goes through them from above to below.
void remove_line(Sheet& ink, int top, int bottom) {
    const Sheet before = ink;
    const auto near = [&](int x, int y) {
        return std::max(
            {before.at_or(x - 1, y, 0), before.at_or(x, y, 0), before.at_or(x + 1, y, 0)});
    };
    for (int x = 0; x < ink.width; ++x) {
        const float through = std::min(near(x, top - 1), near(x, bottom));
        for (int y = top; y < bottom; ++y)
            ink.at(x, y) = through >= dark ? std::min(through, before.at(x, y)) : 0;
    }
}

void remove_rows(Sheet& ink) {
    const std::vector<float> common = common_ink_of_rows(ink);
    const int thickest = std::max(1, static_cast<int>(0.04 * std::max(ink.width, ink.height)));
    for (int y = 0; y < ink.height; ++y) {
        if (common[static_cast<std::size_t>(y)] == 0) continue;
        int bottom = y;
        while (bottom < ink.height && common[static_cast<std::size_t>(bottom)] > 0) ++bottom;
        if (bottom - y <= thickest) remove_line(ink, y, bottom);
        y = bottom;
    }
}

Sheet turned(const Sheet& sheet) {
    Sheet result(sheet.height, sheet.width);
    for (int y = 0; y < sheet.height; ++y)
        for (int x = 0; x < sheet.width; ++x) result.at(y, x) = sheet.at(x, y);
    return result;
}

/// Labels what hangs together from (x, y) on, diagonals too.
InkPiece fill(const Sheet& ink, std::vector<int>& labels, int x, int y, int label, float& darkest) {
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
                if (ink.at_or(a, b, 0) < pale || labels[position(a, b, ink.width)] != 0) continue;
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

}  // namespace

void remove_rules(Sheet& ink) {
    remove_rows(ink);
    ink = turned(ink);
    remove_rows(ink);
    ink = turned(ink);
}

InkPieces pieces_of(const Sheet& ink) {
    InkPieces pieces;
    pieces.labels.assign(ink.values.size(), 0);
    int label = 0;
    for (int y = 0; y < ink.height; ++y)
        for (int x = 0; x < ink.width; ++x) {
            if (ink.at(x, y) < pale || pieces.labels[position(x, y, ink.width)] != 0) continue;
            float darkest = 0;
            const InkPiece piece = fill(ink, pieces.labels, x, y, ++label, darkest);
            if (darkest >= dark) pieces.all.push_back(piece);
        }
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
    struct Group {
        Box box;
        std::vector<InkPiece> pieces;
    };
    std::vector<Group> groups;
    for (const InkPiece& piece : pieces.all) {
        Group* home = nullptr;
        for (Group& group : groups) {
            const int larger = std::max(side(group.box), side(piece.box));
            const int smaller = std::min(side(group.box), side(piece.box));
            const int across = gap_across(group.box, piece.box),
                      down = gap_down(group.box, piece.box);
            const bool apart =
                2 * smaller > larger && (across > 0.06 * larger || down > 0.15 * larger);
            const bool far = 3 * std::max(across, down) > larger;
            if (apart || far) continue;
            home = &group;
            break;
        }
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
