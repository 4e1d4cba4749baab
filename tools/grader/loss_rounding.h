// loss_rounding.h: how far rounding may take the loss of a mini-batch from the reference's.
//
// A bound in the worst case, along the formulas of neural_network.h, for sigmoids, a softmax and
// the cross-entropy. With u = 2^-24 or 2^-53, and E what a layer's values may be off by:
//     a sum of k products and a bias   |W| E + (k + 2) u (|W| |a| + |b|)
//     the sigmoid                      a quarter of that, its largest slope, and 6 u
//     a sample's loss                  twice the largest of its z_L, because its slopes add up to
//                                      at most 2; 4 u of it and of z_L; (classes + 6) u of the sum
//     the mean, and the penalty        n u of the mean, P u of the penalty
#pragma once
#include "neural_network.h"

/// `reference` has done forward() for samples whose targets are `y`.
double rounding_of_loss(const NeuralNetwork& reference, const Matrix& y, double reg);
