// flags_images.cpp: see flags_images.h.
#include "app/cli/flags_images.h"

std::vector<Flag> image_flags(ImageForm& form, std::string& picture_folder) {
    const char* const group = "Data";
    return {
        {"--picture-folder", folder_name(picture_folder), group,
         "pictures of one's own instead: one subfolder for each class, named as it; each picture "
         "is prepared as predict does it"},
        {"--as-is", yes(form.as_is), group,
         "the pictures of --picture-folder have 28 x 28 pixels, or the network's size, and are not "
         "prepared"},
        {"--set", text(form.set, "NAME"), group,
         "which set of the folder: the beginning of its files' names, such as emnist-letters"},
        {"--first-label", number(form.first_label, 0, 255), group,
         "the label of the first class: 1 where labels begin at 1"},
        {"--transposed", yes(form.transposed), group,
         "the files have rows and columns exchanged; of EMNIST this is known"},
        {"--inverted", yes(form.inverted), group,
         "the files are dark on light; pixel p becomes 255 - p"}};
}

void check_image_flags(const CommandLine& line) {
    for (const char* flag :
         {"--picture-folder", "--set", "--first-label", "--transposed", "--inverted"})
        for (const char* other : {"--csv-data", "--picture-folder"})
            if (std::string(flag) != other && line.given(flag) && line.given(other))
                line.refuse(std::string(flag) + " and " + other + ": give one of them");
    if (line.given("--as-is") && !line.given("--picture-folder"))
        line.refuse("--as-is is about pictures: expected --picture-folder beside it");
    if (line.given("--data") && line.given("--picture-folder"))
        line.refuse("--data and --picture-folder: give one of them");
}
