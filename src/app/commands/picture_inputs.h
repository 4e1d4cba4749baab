// picture_inputs.h: a file that predict is given becomes what the network takes.
//
// An IDX file holds images of the network's size. A picture is prepared (input/picture.h), and what
// became of it on the way can be written, picture by picture, so that a person sees why.
#pragma once
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "input/picture.h"
#include "input/sample_set.h"
#include "model/model_file.h"

/// What came of the files that were read, for a note at the end.
struct OwnSize {
    std::size_t prepared = 0;  ///< pictures of the network's own size that were changed
};

/// What a file holds for the network.
struct PictureInputs {
    SampleSet set;
    std::vector<DrawnDigit> digits = {};  ///< of a prepared picture
};

/// One sample; of an IDX file, each image; with options.digits, each digit of the line, and behind
/// them the parts of all. With
/// options.explain, writes the stages of the preparation there, up to where it was refused, in
/// place of those that an earlier run wrote. Throws
/// InputError if the file cannot be read or prepared.
PictureInputs read_inputs(const std::string& file, const ModelFacts& facts,
                          const PredictOptions& options, OwnSize& own_size);

/// Throws InputError if the stages of two files would get the same names, or that of a file.
void check_explain(const PredictOptions& options);
