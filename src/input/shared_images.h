// shared_images.h: test images that are training images, byte for byte.
//
// A network may know such images by heart, so the accuracy on them says little about others. MNIST
// has none. All training images are compared with at most 500 test images, at equal distances;
// for MNIST, this takes some milliseconds.
#pragma once
#include <string>

#include "input/sample_set.h"

/// A note if a twentieth or more of these test images are training images too; empty otherwise, and
/// for sets that are not images of one size.
std::string note_on_shared_images(const SampleSet& train, const SampleSet& test);
