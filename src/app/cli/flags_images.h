// flags_images.h: the flags that say which images a set has, and in which form.
#pragma once
#include <string>
#include <vector>

#include "app/cli/command_line.h"
#include "input/image_source.h"

/// --picture-folder, --as-is, --set, --first-label, --transposed and --inverted.
std::vector<Flag> image_flags(ImageForm& form, std::string& picture_folder);

/// Refuses these flags beside a table, and --picture-folder beside those of files.
void check_image_flags(const CommandLine& line);
