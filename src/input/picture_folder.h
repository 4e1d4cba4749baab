// picture_folder.h: a folder of one's own pictures, one subfolder a class, becomes samples.
//
// Each picture is prepared as predict prepares it (picture.h), so that a network that is trained on
// them gets from predict what it was trained on.
#pragma once
#include <string>
#include <vector>

#include "input/sample_set.h"

/// Reads DIR/CLASS/PICTURE for each class and picture. Classes have the names of their subfolders,
/// in their order as numbers if all are numbers, otherwise by letter. Files and folders whose names
/// begin with a dot, and what Windows leaves in folders of pictures, are passed over. `names`, if
/// it is not empty, are the classes that there are, as of a trained network. With `as_is`, pictures
/// have the size rows x cols and are not prepared. Adds to `notes` how many have this size and were
/// prepared, and how many were made narrower. Throws InputError if a subfolder is none of them, if
/// there are fewer than two or more than 256, or if a class has no picture; and if a picture cannot
/// be used, with how many there are and the first.
SampleSet read_picture_folder(const std::string& folder, int rows, int cols,
                              std::vector<std::string>& notes,
                              const std::vector<std::string>& names = {}, bool as_is = false);
