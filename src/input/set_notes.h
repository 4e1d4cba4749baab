// set_notes.h: what looks wrong in a set of images, by rules that have a reason.
//
// Nothing here refuses a set: each rule names what was found, and why the results may mean nothing.
// At most about four million pixels of a set, of images at equal distances, are looked at; MNIST
// takes a few milliseconds.
#pragma once
#include <string>
#include <vector>

#include "input/sample_set.h"

/// About images alone. Three rules:
/// - No pixel reaches 128. A byte that holds brightness uses its upper half somewhere in a set; one
///   that does not holds 0 and 1, or 0 to 16, and after the division by 255 the inputs are near 0.
///   With `raw_pixels` nothing is divided, and only images that are all 0 are noted.
/// - One value above 127 covers half of all border pixels: dark drawings on light paper. predict
///   makes every picture light on dark, as MNIST is.
/// - The labels are all from 1 to a number, so that class 0 would have no image.
std::vector<std::string> notes_on_images(const SampleSet& set, bool raw_pixels);

/// About test images that are unlike the training images. Of fewer than 20 images the deviation is
/// not known well enough, and nothing is said. Two rules:
/// - The mean pixel, or the fraction of pixels that are not 0, differs by more than six standard
///   errors and two standard deviations of single images. Six errors leave no room for chance. Two
///   deviations leave room for the pen of a single writer, who may have made all test images.
/// - The mean test image, turned or mirrored, is nearer to the mean training image than as it is:
///   at half the squared distance, which is at least ten times what sampling makes of it. The mean
///   of fewer than 400 images shows their writers, and is not compared.
std::vector<std::string> notes_on_difference(const SampleSet& train, const SampleSet& test);
