// settings.h: the settings that all ranks must have alike, as a text, and what differs between such
// texts.
//
// The texts may come from binaries of different versions. So only this is taken for granted: a
// setting is a line, and a tab stands between its name and its value.
#pragma once
#include <string>
#include <utility>
#include <vector>

/// Names and values: "--batch", "24". Neither holds a line's end or a tab.
using Settings = std::vector<std::pair<std::string, std::string>>;

std::string settings_text(const Settings& settings);

/// Compares rank 0's text with each other rank's, in turn. Returns the first difference: "--batch
/// is 24 on rank 0 and 48 on rank 2"; empty if there is none.
std::string difference_of_settings(const std::vector<std::string>& text_of_rank);
