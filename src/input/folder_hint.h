// folder_hint.h: what is in a folder that should hold a set of images and does not.
//
// Sets are unpacked into a folder within (torchvision's raw), come as one archive, as pictures or
// as a table. The refusal says which, so that the next command is right.
#pragma once
#include <filesystem>
#include <string>

/// What to do instead; empty if nothing in the folder says so. Looks at a few thousand names, three
/// folders deep; never throws.
std::string hint_about(const std::filesystem::path& folder);
